"use strict";
// Names come from a model that nobody vouches for: they enter the page as text alone.
const data = JSON.parse(document.getElementById("data").textContent);
const get = id => document.getElementById(id);
function make(tag, className, text, ...children) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined && text !== null) e.textContent = text;
  e.append(...children);
  return e;
}
// A long name breaks behind its parts.
function addName(e, text) {
  for (const part of text.split(/(?<=[._\/,])/)) e.append(part, document.createElement("wbr"));
}
