// The desk's script. Without it every page can still be read and every form still works; with it the lists are live.
"use strict";

(() => {
  const $ = (id) => document.getElementById(id);
  const fill = (text, number) => text.replace("{}", String(number));

  // Parts: pieces of a page the server draws again. Rows only change when the reader asks for them.
  async function refresh(box) {
    if (!box) return;
    const answer = await fetch(box.dataset.part, { headers: { accept: "text/html" } });
    if (answer.ok) box.innerHTML = await answer.text();
    if (answer.status === 401) location.reload();
  }

  // The counts follow what changed, a moment later, however much changed at once.
  let waiting = null;

  function soon() {
    waiting = waiting || setTimeout(() => {
      waiting = null;
      refresh($("strip"));
      refresh($("filters"));
    }, 1000);
  }

  // The live list: new rows wait in a bar until the reader opens it.
  const bar = $("live");
  const fresh = new Set();
  const changed = new Set();
  let urgent = 0;

  function showBar() {
    const [open, ring] = [bar.querySelector("[data-new]"), bar.querySelector("[data-ring]")];
    const words = [];
    if (fresh.size) words.push(fill(open.dataset.new, fresh.size));
    if (changed.size) words.push(fill(open.dataset.news, changed.size));
    open.textContent = words.join(" · ");
    if (ring) {
      ring.hidden = urgent === 0;
      ring.textContent = fill(ring.dataset.ring, urgent);
    }
    bar.hidden = words.length === 0;
    document.title = (fresh.size ? `(${fresh.size}) ` : "") + document.title.replace(/^\(\d+\) /, "");
  }

  async function openBar() {
    fresh.clear();
    changed.clear();
    urgent = 0;
    showBar();
    await refresh($("list"));
    mark();
  }

  function onCase(event) {
    const row = JSON.parse(event.data);
    const seen = document.querySelector(`#list [data-case="${row.id}"]`);
    (seen ? changed : fresh).add(row.id);
    if (!seen && row.urgent) {
      urgent += 1;
      ring();
    }
    if (bar) showBar();
    soon();
    // The page of one case says that there is more to see; it does not move by itself.
    const page = document.querySelector("[data-follow]");
    if (page && page.dataset.follow === row.id) page.hidden = false;
  }

  // Too much was missed to be counted.
  function onStale() {
    if (!bar) return;
    const open = bar.querySelector("[data-new]");
    open.textContent = open.dataset.stale;
    bar.hidden = false;
  }

  // The clocks move as the server says: in a demo its clock is not ours.
  function onClock(event) {
    const { clock, now } = JSON.parse(event.data);
    document.dispatchEvent(new CustomEvent("plume-clock", { detail: now / 1000 }));
    for (const place of document.querySelectorAll("[data-clock]")) place.textContent = clock;
    for (const place of document.querySelectorAll("[data-ends]")) {
      place.textContent = String(Math.max(0, Math.ceil((Number(place.dataset.ends) - now) / 60000)));
    }
  }

  function listen(address) {
    const source = new EventSource(address);
    source.addEventListener("case", onCase);
    source.addEventListener("clock", onClock);
    source.addEventListener("stale", onStale);
    // Where the server refused, the browser gives up; a person at a duty desk does not.
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(address), 10000);
    });
    addEventListener("pagehide", () => source.close());
  }

  // Ringing, once allowed: two short tones, made here.
  let sound = null;
  const bell = $("ring");

  function ring() {
    if (!sound || sound.state !== "running") return;
    for (const [at, pitch] of [[0, 880], [0.22, 660]]) {
      const [tone, gain] = [sound.createOscillator(), sound.createGain()];
      tone.frequency.value = pitch;
      gain.gain.setValueAtTime(0.2, sound.currentTime + at);
      gain.gain.exponentialRampToValueAtTime(0.001, sound.currentTime + at + 0.2);
      tone.connect(gain).connect(sound.destination);
      tone.start(sound.currentTime + at);
      tone.stop(sound.currentTime + at + 0.2);
    }
  }

  function prepareBell() {
    const word = () => { bell.textContent = sound && sound.state === "running" ? bell.dataset.off : bell.dataset.on; };
    bell.hidden = false;
    bell.addEventListener("click", async () => {
      sound = sound || new AudioContext();
      await (sound.state === "running" ? sound.suspend() : sound.resume());
      word();
      ring();
    });
    word();
  }

  // A chosen row opens beside the list instead of a new page.
  function mark() {
    const chosen = document.querySelector("#summary [data-case]");
    for (const row of document.querySelectorAll("#list [data-case]")) {
      if (chosen && row.dataset.case === chosen.dataset.case) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }

  async function choose(event) {
    const row = event.target.closest("#list a[data-case]");
    const summary = $("summary");
    const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
    if (!row || !summary || !summary.offsetParent || !plain) return;
    event.preventDefault();
    const answer = await fetch(`/parts/cases/${row.dataset.case}?back=${encodeURIComponent(row.getAttribute("href"))}`);
    if (!answer.ok) {
      location.href = row.href;
      return;
    }
    summary.innerHTML = await answer.text();
    history.replaceState(null, "", row.href);
    const list = $("list");
    const address = new URL(list.dataset.part, location.href);
    address.searchParams.set("case", row.dataset.case);
    list.dataset.part = address.pathname + address.search;
    mark();
  }

  // The undo runs out before the reader's eyes.
  function countDown(form) {
    const left = form.querySelector("[data-left]");
    let seconds = Number(form.dataset.undo);
    const timer = setInterval(() => {
      seconds -= 1;
      left.textContent = String(seconds);
      if (seconds <= 0) {
        clearInterval(timer);
        form.remove();
      }
    }, 1000);
  }

  // One click, one act: a second click while the first travels does nothing.
  function once(event) {
    for (const button of event.target.querySelectorAll("button")) {
      if (button !== event.submitter) button.disabled = true;
    }
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "yes";
  }

  // A device's packets come in on top. While the pointer is on them, or the reader has paused, they wait.
  function tail(rows) {
    const hold = $("tail-hold");
    const most = 50;
    let waiting = [];
    let paused = false;
    let pointed = false;
    const flow = () => {
      if (!paused && !pointed && waiting.length) {
        rows.insertAdjacentHTML("afterbegin", waiting.reverse().join(""));
        waiting = [];
        while (rows.children.length > most) rows.lastElementChild.remove();
      }
      const held = paused || (pointed && waiting.length > 0);
      hold.textContent = fill(held ? hold.dataset.held : hold.dataset.live, waiting.length);
    };
    const source = new EventSource(rows.dataset.tail);
    source.addEventListener("packet", (event) => {
      waiting = [...waiting.slice(1 - most), JSON.parse(event.data)];
      flow();
    });
    // Plume has started anew since the page was drawn.
    source.addEventListener("stale", () => { source.close(); location.reload(); });
    addEventListener("pagehide", () => source.close());
    rows.addEventListener("pointerenter", () => { pointed = true; });
    rows.addEventListener("pointerleave", () => { pointed = false; flow(); });
    hold.addEventListener("click", () => { paused = !paused; hold.setAttribute("aria-pressed", String(paused)); flow(); });
    hold.hidden = false;
    flow();
  }

  const live = document.body.dataset.live;
  if (live) listen(live);
  if (bell) prepareBell();
  if (bar) bar.addEventListener("click", openBar);
  for (const rows of document.querySelectorAll("[data-tail]")) tail(rows);
  document.addEventListener("click", choose);
  document.addEventListener("submit", once);
  for (const form of document.querySelectorAll("[data-undo]")) countDown(form);

  // Printing needs a script; without one the browser's own menu prints the same page.
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
})();
