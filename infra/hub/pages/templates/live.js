// Every part with data-live is fetched anew while the page is looked at; forms are left alone.
setInterval(async () => {
  if (document.hidden) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer || !answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || next.innerHTML === part.dataset.seen || part.contains(document.activeElement)) continue;
    const first = part.dataset.seen === undefined && next.innerHTML === part.innerHTML;
    const open = [...part.querySelectorAll("details")].map((one) => one.open);
    const seen = next.innerHTML;
    if (!first) {
      next.querySelectorAll("details").forEach((one, i) => { if (i < open.length) one.open = open[i]; });
      part.replaceChildren(...next.childNodes);
    }
    part.dataset.seen = seen;
  }
}, 3000);
