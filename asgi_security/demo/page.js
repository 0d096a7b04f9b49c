const $ = (id) => document.getElementById(id);
const fill = (table, rows) => {
  table.replaceChildren(...rows.map((row) => {
    const line = document.createElement("tr");
    line.append(...row.map((cell) => {
      const td = document.createElement("td");
      td.textContent = cell;
      return td;
    }));
    return line;
  }));
};
const refresh = async () => {
  const state = await (await fetch("/state")).json();
  fill($("request"), Object.entries(state.request));
  fill($("attempts"), state.attempts.map((a) => [a.at, a.kind, a.outcome, a.account]));
  fill($("events"), state.events.map((e) => [e.name, JSON.stringify(e.facts)]));
};
$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(event.target));
  const response = await fetch("/login", { method: "POST", body });
  const wait = response.headers.get("retry-after");
  $("answer").textContent = `${response.status}${wait ? `, try again in ${wait} s` : ""}`;
  await refresh();
});
$("visit").addEventListener("click", async () => { await fetch("/visits", { method: "POST" }); await refresh(); });
$("advance").addEventListener("click", async () => { await fetch("/advance", { method: "POST" }); await refresh(); });
refresh();
setInterval(refresh, 2000);
