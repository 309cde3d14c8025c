"""Distribution: trainings on several devices and machines, by TensorFlow's own engine.

`strategies` names where; `DistributedFit` is the loop of `fit` there, in which a twin of the model
takes the steps; `local_cluster` is a cluster on one machine.
"""
