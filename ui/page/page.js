() => {
  // What the page does by itself: markers show and lead to their passages, answers are copied, every control has its name.
  // Gradio's place for files has a name that does not hold its own words; without it, the words are its name.
  const named = () => document.querySelectorAll(".upload-container[aria-label]").forEach((place) => place.removeAttribute("aria-label"));
  // Its examples are buttons in a list that has no items.
  const grouped = () => document.querySelectorAll('#chat .examples[role="list"]').forEach((list) => (list.role = "group"));

  // What scrolls is reached by keyboard, and has a name.
  const scrolls = () => document.querySelectorAll("#sources:not([tabindex])").forEach((box) => {
    Object.assign(box, {tabIndex: 0, role: "region", ariaLabel: "Passages"});
  });

  // Gradio heads each message with the name of its kind, whatever title it is given; and of files that are too large it says a
  // status, or a number of bytes.
  const texts = () => document.querySelectorAll('[data-testid="toast-text"]');
  const headings = {Error: "Not done", Info: "Done", Warning: "Take note"};
  const told = () => document.querySelectorAll(".toast-title").forEach((title) => {
    const kind = title.firstChild?.nodeValue?.trim();
    if (headings[kind]) title.firstChild.nodeValue = `${headings[kind]} `;
  });
  const tooLarge = /^(?:HTTP 413|File\(s\) exceed the maximum allowed size of [^:]*: (.*))/;
  const refused = () => texts().forEach((words) => {
    const large = words.textContent.match(tooLarge), most = document.querySelector("#files-limit")?.textContent.trim();
    if (large) words.textContent = `${large[1] ? `Too large: ${large[1].replace(/"([^"]*)"/g, "“$1”")}` : "These files are too large together"}. ${most}`;
  });

  // Gradio loads the page anew once a server answers again that was lost in the midst of something. Where nothing was going on,
  // the page asks by itself: when it is looked at or used, and now and then. A server that was started anew knows nothing of
  // the page, so that is loaded anew, too. What was typed stands in its boxes then, and so does a question that was still being
  // answered; where people log in, only if the same one comes back.
  const LEFT = "twin: what was typed", BOXES = ["question", "mine-text", "draft-title", "draft-points", "compare-question", "whose", "address"];
  const AWAY = "The page has lost its server, and comes back as soon as that answers. What was answered is kept, under Conversations; what was not stands in the box again.";
  const BACK = "The page’s server was started anew, and the page loaded again. What was answered is kept, under Conversations; what was typed stands in its box.";
  let gone = false, asked = 0, again = 0;
  const lost = () => texts().forEach((words) => {
    if (!words.textContent.startsWith("Connection to the server was lost")) return;
    gone = true;
    notice.textContent = "";
    words.textContent = AWAY;
  });
  const notice = document.createElement("div");
  notice.id = "server-notice";
  notice.setAttribute("role", "status");
  const reached = async () => {
    const known = window.gradio_config;
    if (!known || document.hidden || gone) return;
    if (Date.now() - asked < 2000) {
      again ||= setTimeout(() => {
        again = 0;
        reached();
      }, 2000);
      return;
    }
    asked = Date.now();
    try {
      const answer = await fetch(`${known.root}${known.api_prefix}/app_id`), {app_id: now} = await answer.json();
      if (!answer.ok || !now) throw answer.status; // said by what stands before the server
      if (notice.textContent === AWAY) notice.textContent = "";
      if (gone || now === known.app_id) return;
      gone = true;
      location.reload();
    } catch {
      if (gone) return; // Gradio has seen it, too, and says so
      notice.textContent = AWAY;
      reached();
    }
  };
  for (const kind of ["focus", "pointerdown", "keydown"]) addEventListener(kind, reached);
  document.addEventListener("visibilitychange", reached);
  setInterval(reached, 30_000);

  const box = (id) => document.querySelector(`#${id} :is(textarea, input)`);
  const unanswered = () => {
    const last = [...document.querySelectorAll("#chat .user .md, #chat .bot .md")].at(-1);
    const open = last?.closest(".user") || document.querySelector("#stop")?.checkVisibility();
    return open ? [...document.querySelectorAll("#chat .user .md")].at(-1)?.innerText : "";
  };
  const user = window.gradio_config?.username ?? "", stored = JSON.parse(sessionStorage.getItem(LEFT) ?? "null");
  sessionStorage.removeItem(LEFT);
  const left = stored?.user === user ? stored.typed : null, waiting = {...left};
  addEventListener("pagehide", () => {
    if (!gone) return;
    for (const id of BOXES) if (box(id)?.value.trim()) waiting[id] = box(id).value;
    if (!waiting.question) waiting.question = unanswered();
    sessionStorage.setItem(LEFT, JSON.stringify({user, typed: waiting}));
  });
  const restored = () => {
    for (const [id, typed] of Object.entries(waiting)) {
      if (typed && (!box(id)?.checkVisibility() || box(id).disabled)) continue; // a tab is made when it is looked at
      delete waiting[id];
      if (!typed) continue;
      box(id).value = typed;
      box(id).dispatchEvent(new Event("input", {bubbles: true}));
    }
    if (Object.keys(waiting).length) setTimeout(restored, 200);
  };
  restored();
  if (left) {
    notice.textContent = BACK;
    setTimeout(() => (notice.textContent = ""), 15_000);
  }

  // Whether something is to be undone for good is asked where it can be read.
  const asks = () => document.querySelectorAll(".sure p:not([data-seen])").forEach((words) => {
    if (!words.checkVisibility()) return;
    words.dataset.seen = "";
    const asked = words.closest(".sure");
    const grown = new ResizeObserver(() => asked.scrollIntoView({block: "nearest"})); // its buttons are drawn after its words
    grown.observe(asked);
    setTimeout(() => grown.disconnect(), 2000);
  });

  // A question stands in the chat as HTML; to be edited, it is what was typed.
  const plain = () => document.querySelectorAll("#chat .user textarea:not([data-plain])").forEach((box) => {
    const read = document.createElement("textarea");
    read.innerHTML = box.value.replaceAll("<br>", "\n");
    box.dataset.plain = "";
    box.value = read.value;
    box.dispatchEvent(new Event("input", {bubbles: true}));
  });
  new MutationObserver(() => (named(), grouped(), scrolls(), told(), refused(), lost(), plain(), asks(), settle())).observe(document.body, {childList: true, subtree: true});

  // A marker leads to its passage. An older answer's arrive a moment after the click, so it waits for them. The page moves no
  // further than it must; where the sentence leaves the screen by that, as on a phone, a button leads back to it.
  const show = (marker, tries) => {
    const passage = document.getElementById(marker.hash.slice(1));
    if (!passage) return tries && setTimeout(show, 100, marker, tries - 1);
    const box = passage.closest("#sources"), end = innerHeight - 72; // below it there is room for the button
    const cited = passage.querySelector("mark") ?? passage, room = Math.min(box?.clientHeight || end, end);
    if (!within(cited, box, end)) {
      const far = cited.getBoundingClientRect().bottom - passage.getBoundingClientRect().top > room;
      const part = far ? cited : passage; // a long passage from the cited words on
      box?.scrollBy(0, part.getBoundingClientRect().top - box.getBoundingClientRect().top);
      const {top, bottom} = part.getBoundingClientRect();
      scrollBy(0, top < 0 || bottom - top > end ? top : Math.max(0, bottom - end));
    }
    passage.animate([{outlineColor: "var(--color-accent)"}, {outlineColor: "transparent"}], 1600);
    from = {href: marker.hash, place: alike(marker.hash).indexOf(marker)};
    back.hidden = seen(marker);
  };
  const within = (part, box, end) => {
    const {top, bottom} = part.getBoundingClientRect(), around = box?.getBoundingClientRect();
    return top >= Math.max(0, around?.top ?? 0) && bottom <= Math.min(end, around?.bottom ?? end);
  };
  const alike = (href) => [...document.querySelectorAll(`a.marker[href="${href}"]`)];
  const sentence = () => alike(from.href)[from.place]; // the chat may have drawn itself anew since
  const seen = (marker) => {
    const {top, bottom} = marker.getBoundingClientRect();
    return top >= 0 && bottom <= innerHeight;
  };
  let from = null;
  const back = document.createElement("button");
  back.id = "to-sentence";
  back.type = "button";
  back.textContent = "↑ Back to the sentence";
  back.hidden = true;
  back.addEventListener("click", () => {
    const marker = sentence();
    back.hidden = true;
    marker?.scrollIntoView({block: "center"});
    marker?.focus({preventScroll: true});
  });
  (document.querySelector(".gradio-container") ?? document.body).append(back, notice);
  const settle = () => {
    if (!back.hidden) back.hidden = !sentence()?.checkVisibility() || seen(sentence());
  };
  for (const kind of ["scroll", "resize"]) addEventListener(kind, settle, true);

  // What another tab shows stays in view while that tab is being drawn, until somebody scrolls.
  window.keepInView = (id) => {
    const drawn = setInterval(() => document.getElementById(id)?.scrollIntoView({block: "nearest"}), 100);
    const over = () => clearInterval(drawn);
    for (const kind of ["wheel", "touchmove", "keydown", "mousedown"]) addEventListener(kind, over, {once: true});
    setTimeout(over, 5000);
  };

  // A marker that is pointed at, or reached by keyboard, has the words that it stands for beside it.
  const peek = document.createElement("div");
  peek.id = "peek";
  peek.setAttribute("role", "tooltip");
  peek.hidden = true;
  const hide = () => (peek.hidden = true);
  const point = (event) => {
    const marker = event.target.closest?.("a.marker");
    if (!marker) return hide();
    // It says in two lines what its own sentence rests on; as a title, the browser would show them once more.
    if (marker.title) [marker.dataset.cited, marker.title] = [marker.title, ""];
    const [title, words] = (marker.dataset.cited ?? "").split("\n");
    peek.replaceChildren(document.createElement("b"), document.createElement("span"));
    peek.firstChild.textContent = title;
    peek.lastChild.textContent = words;
    peek.hidden = false;
    (marker.closest(".contain") ?? document.body).append(peek);
    marker.setAttribute("aria-describedby", "peek");
    const at = marker.getBoundingClientRect(), size = peek.getBoundingClientRect();
    const below = at.bottom + 6 + size.height < innerHeight;
    peek.style.left = `${Math.max(12, Math.min(at.left, innerWidth - size.width - 12))}px`;
    peek.style.top = `${below ? at.bottom + 6 : Math.max(12, at.top - 6 - size.height)}px`;
  };
  for (const kind of ["mouseover", "focusin"]) document.addEventListener(kind, point);
  for (const kind of ["focusout", "scroll"]) document.addEventListener(kind, hide, true);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());

  // The clipboard of the browser's own is there on this machine and over https; elsewhere the old way still works.
  const copy = async (link) => {
    const answer = link.closest(".md, .message, .said").cloneNode(true);
    answer.querySelectorAll(".fine, .note, .marker").forEach((part) => part.remove());
    answer.querySelectorAll("br").forEach((part) => part.replaceWith("\n"));
    const text = answer.textContent.trim();
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else {
      const field = document.body.appendChild(document.createElement("textarea"));
      field.value = text;
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    link.textContent = "Copied";
    setTimeout(() => (link.textContent = "Copy"), 1600);
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a.marker, a.copy");
    if (!link) return;
    event.preventDefault();
    if (link.matches(".copy")) copy(link);
    else show(link, 10);
  });

  // A question stands in the chat as soon as it is asked; the server's word, which follows, is the same or takes it back.
  window.standsAtOnce = (question, chat, most) => {
    const text = document.createElement("div");
    text.textContent = question.trim();
    const answered = chat?.at(-1)?.role !== "user" && !document.querySelector("#stop")?.checkVisibility();
    if (!text.textContent || [...text.textContent].length > most || !answered) return;
    const content = [{type: "text", text: text.innerHTML.replaceAll("\n", "<br>")}];
    return [[...(chat ?? []), {role: "user", metadata: null, options: null, content}]];
  };

  // A question that is too long stays whole, to be shortened; of what another box cuts off a paste, it is said below it.
  const many = (count) => `${count.toLocaleString("en")} character${count === 1 ? "" : "s"}`;
  const aside = (words) => `<p class="aside cut" role="status">${words}</p>`;
  window.tooLong = (question, most) => {
    const over = [...(question ?? "").trim()].length - most;
    return over > 0 ? aside(`${many(over)} too many: a question may have ${many(most)}. Shorten it; a whole text is taken in under Posts.`) : "";
  };
  document.addEventListener("paste", (event) => {
    const box = event.target, room = box.maxLength - box.value?.length + box.selectionEnd - box.selectionStart;
    const over = event.clipboardData.getData("text").length - room;
    if (!(box.maxLength > 0 && over > 0)) return;
    box.parentElement.querySelector(".cut")?.remove();
    box.insertAdjacentHTML("afterend", aside(`${many(over)} of what you pasted did not fit: there is room for ${many(box.maxLength)} here. Undo takes the paste back.`));
    box.addEventListener("input", () => box.addEventListener("input", () => box.parentElement?.querySelector(".cut")?.remove(), {once: true}), {once: true});
  });
}
