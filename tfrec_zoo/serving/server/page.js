"use strict";

const one = (id) => document.getElementById(id);
const history = [];
let features = [];
let asked = 0;
let searched = 0;

function button(text, label, onClick) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", onClick);
  return made;
}

function row(...parts) {
  const made = document.createElement("li");
  made.append(...parts);
  return made;
}

async function json(path, options) {
  const response = await fetch(path, options);
  const content = await response.json();
  if (!response.ok) throw new Error(content.error);
  return content;
}

function add(item) {
  history.push(item);
  one("search").value = "";
  one("found").replaceChildren();
  show();
}

function show() {
  one("history").replaceChildren(...history.map((item, at) => row(
    item.title, " ", button("remove", `remove ${item.title}`, () => { history.splice(at, 1); show(); }))));
  recommend();
}

async function search() {
  const number = ++searched;
  const text = one("search").value.trim();
  if (!text) return one("found").replaceChildren();
  try {
    const { items } = await json("items?query=" + encodeURIComponent(text));
    if (number !== searched) return;
    // A model may carry no items to search; then what is typed is an id.
    const found = items.length ? items : [{ id: text, title: text }];
    one("found").replaceChildren(...found.map((item) => row(button(item.title, "", () => add(item)))));
    one("error").textContent = "";
  } catch (error) {
    one("error").textContent = error.message;
  }
}

function request() {
  const found = {};
  if (history.length) found.history = history.map((item) => item.id);
  for (const { key, type } of features) {
    const text = one("feature " + key).value.trim();
    if (text) found[key] = type === "float32" ? Number(text) : text;
  }
  return found;
}

async function recommend() {
  const number = ++asked;
  try {
    const { recommendations } = await json("recommend", {
      method: "POST", body: JSON.stringify({ request: request() }),
    });
    if (number !== asked) return;
    one("recommended").replaceChildren(...recommendations.map(({ id, title, score }) => {
      const value = document.createElement("span");
      value.className = "score";
      value.textContent = score === null ? "" : score.toPrecision(3);
      return row(title || String(id), value);
    }));
    one("error").textContent = "";
  } catch (error) {
    if (number !== asked) return;
    one("recommended").replaceChildren();
    one("error").textContent = error.message;
  }
}

async function start() {
  try {
    const about = await json("about");
    one("about").textContent = `${about.model}, version ${about.version}`;
    if (!about.has_titles) one("search").placeholder = "an id";
    features = about.features.filter((feature) => !feature.is_bag);
    one("features").replaceChildren(...features.map(({ key, type }) => {
      const label = document.createElement("label");
      const input = document.createElement("input");
      input.id = "feature " + key;
      input.type = type === "string" ? "text" : "number";
      input.step = "any";
      input.addEventListener("change", recommend);
      label.append(key, input);
      return label;
    }));
    one("search").addEventListener("input", search);
    one("search").addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      const first = one("found").querySelector("button");
      if (first) first.click();
    });
    recommend();
  } catch (error) {
    one("error").textContent = error.message;
  }
}

start();
