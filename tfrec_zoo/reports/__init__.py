"""Reports: one HTML file for each run, with its figures in it, to be read in a browser."""

from tfrec_zoo.reports.page import FIGURES, Page
from tfrec_zoo.reports.quickstart import quickstart_report
from tfrec_zoo.reports.search import search_report
from tfrec_zoo.reports.table import table_report
from tfrec_zoo.reports.training import training_report

__all__ = [
    "FIGURES",
    "Page",
    "quickstart_report",
    "search_report",
    "table_report",
    "training_report",
]
