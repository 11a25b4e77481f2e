"use strict";

// Sheets: one is shown, the one that the address names or the first; it can be printed alone.
async function showSheets() {
  const place = document.getElementById("sheet-holder");
  if (!place) return;
  const sheets = [...place.children];
  const chosen = document.getElementById("sheet-chosen");
  if (document.getElementById("sheets-packed")) {
    const holder = document.createElement("template");
    holder.innerHTML = JSON.parse(await unpacked("sheets-packed")).join("");
    sheets.push(...holder.content.children);
  }
  const show = (n) => {
    place.replaceChildren(sheets[n - 1]);
    chosen.value = n;
    sheets[n - 1].dispatchEvent(new Event("shown", { bubbles: true }));
  };
  const follow = () => {
    const n = Number(location.hash.match(/^#sheet-(\d+)$/)?.[1]);
    if (!(n >= 1 && n <= sheets.length)) return;
    show(n);
    sheets[n - 1].scrollIntoView();
  };
  chosen.addEventListener("change", () => (location.hash = `sheet-${chosen.value}`));
  document.getElementById("sheet-print").addEventListener("click", () => {
    document.body.classList.add("one-sheet");
    window.print();
  });
  window.addEventListener("afterprint", () => document.body.classList.remove("one-sheet"));
  window.addEventListener("hashchange", follow);
  show(1);
  follow();
}

showSheets();
