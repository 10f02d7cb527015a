// Every part with data-live is fetched anew while the page is looked at, but not while somebody is at work in it.
const seen = new Map();
const remember = (page) => page.querySelectorAll("[data-live]").forEach((part) => seen.set(part.id, part.innerHTML));
const look = async () => {
  if (document.hidden) return;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer || !answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || next.innerHTML === seen.get(part.id) || part.contains(document.activeElement)) continue;
    if ([...part.querySelectorAll("textarea")].some((one) => one.value !== one.defaultValue)) continue;
    seen.set(part.id, next.innerHTML);
    const open = [...part.querySelectorAll("details")].map((one) => one.open);
    next.querySelectorAll("details").forEach((one, i) => { if (i < open.length) one.open = open[i]; });
    part.replaceChildren(...next.childNodes);
  }
};
remember(document);
setInterval(look, 3000);
