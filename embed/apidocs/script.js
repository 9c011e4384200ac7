// Filters operations while one types, and puts curl lines on the clipboard. The pages read without it.
"use strict";
const filter = document.getElementById("filter");
if (filter) {
  filter.parentElement.hidden = false; // without this script there is nothing to filter with
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const entry of document.querySelectorAll("[data-words]")) {
      const text = entry.dataset.words;
      entry.hidden = !words.every((word) => text.includes(word));
    }
    for (const section of document.querySelectorAll("section[data-group]")) {
      section.hidden = !section.querySelector("[data-words]:not([hidden])");
    }
  });
}
for (const line of document.querySelectorAll("pre.curl")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(line.textContent);
    button.textContent = "Copied";
  });
  line.after(button);
}
if (location.hash) {
  const target = document.getElementById(location.hash.slice(1));
  if (target && target.tagName === "DETAILS") target.open = true;
}
