// Tables that sort by the column whose heading is clicked; numbers from the largest.

const valueOf = (cell) => {
  const text = cell.textContent.trim().replaceAll(",", "");
  const number = parseFloat(text);
  return Number.isNaN(number) ? text : number;
};

const sortBy = (heading) => {
  const table = heading.closest("table");
  const column = [...heading.parentNode.children].indexOf(heading);
  const rows = [...table.tBodies[0].rows];
  const isNumeric = rows.some((row) => typeof valueOf(row.cells[column]) === "number");
  const first = isNumeric ? "descending" : "ascending";
  const second = isNumeric ? "ascending" : "descending";
  const order = heading.getAttribute("aria-sort") === first ? second : first;
  const sign = order === "ascending" ? 1 : -1;
  rows.sort((a, b) => {
    const [x, y] = [valueOf(a.cells[column]), valueOf(b.cells[column])];
    if (x === "" || y === "") return (x === "") - (y === ""); // Empty cells stay below.
    if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
    return sign * (typeof x === "number" ? x - y : x.localeCompare(y));
  });
  table.tBodies[0].append(...rows);
  for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", order);
};

for (const heading of document.querySelectorAll("article table.docutils thead th")) {
  const rows = heading.closest("table").tBodies[0]?.rows.length ?? 0;
  if (rows < 3) continue;
  heading.classList.add("sortable");
  heading.tabIndex = 0;
  heading.addEventListener("click", () => sortBy(heading));
  heading.addEventListener("keydown", (event) => event.key === "Enter" && sortBy(heading));
}
