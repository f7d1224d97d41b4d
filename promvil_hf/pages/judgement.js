(() => {
  "use strict";
  for (const form of document.querySelectorAll("form.judgement")) {
    if (form.dataset.ready) continue;
    form.dataset.ready = "yes";
    const find = (name) => form.querySelector(name);
    const items = [...form.querySelectorAll("[data-item]")];
    const questions = JSON.parse(form.dataset.questions);
    const fingerprint = find(".toolbar").dataset.fingerprint;
    const place = "promvil_hf.verdicts:" + form.dataset.form + ":" + fingerprint;
    const say = (text) => { find(".said").textContent = text; };

    const answersOf = (item) => {
      const answers = {};
      for (const input of item.querySelectorAll("input:checked")) answers[input.dataset.question] = input.value;
      return answers;
    };
    const isJudged = (item) => Object.keys(answersOf(item)).length === questions.length;
    const collect = () => ({
      format: "promvil_hf.verdicts",
      version: 1,
      form: form.dataset.form,
      fingerprint,
      judge: find(".judge").value.trim(),
      saved: new Date().toISOString(),
      questions,
      items: items.map((item) => item.dataset.item),
      verdicts: items.map((item) => {
        const remark = item.querySelector("textarea");
        return { item: item.dataset.item, answers: answersOf(item), remark: remark ? remark.value.trim() : "" };
      }).filter((verdict) => Object.keys(verdict.answers).length || verdict.remark),
    });
    const show = () => {
      let judged = 0;
      for (const item of items) {
        const done = isJudged(item);
        item.classList.toggle("judged", done);
        judged += done;
      }
      find(".progress").textContent = judged + " of " + items.length + " judged";
      return judged;
    };
    const fill = (saved) => {
      if (saved.format !== "promvil_hf.verdicts" || saved.fingerprint !== fingerprint) {
        throw new Error("it belongs to another page");
      }
      const verdicts = new Map(saved.verdicts.map((verdict) => [verdict.item, verdict]));
      for (const item of items) {
        const verdict = verdicts.get(item.dataset.item);
        const remark = item.querySelector("textarea");
        if (remark) remark.value = (verdict && verdict.remark) || "";
        for (const input of item.querySelectorAll("input[type=radio]")) {
          input.checked = Boolean(verdict) && verdict.answers[input.dataset.question] === input.value;
        }
      }
      find(".judge").value = saved.judge || "";
      return show();
    };
    const keep = () => {
      try {
        localStorage.setItem(place, JSON.stringify(collect()));
      } catch (error) { /* a private window or a full one: the file is what counts */ }
    };

    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => {
      if (event.target.type === "file") return;
      show();
      keep();
    });
    find(".save").addEventListener("click", () => {
      const link = document.createElement("a");
      const text = JSON.stringify(collect(), null, 1) + "\n";
      link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
      link.download = (form.dataset.form.replace(/[^A-Za-z0-9_-]+/g, "-") || "form") + "-verdicts.json";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      say("Saved as " + link.download + ".");
    });
    find(".next").addEventListener("click", () => {
      const open = items.find((item) => !isJudged(item));
      if (!open) { say("Every item is judged. Save the verdicts."); return; }
      open.scrollIntoView({ block: "start" });
      const unanswered = [...open.querySelectorAll("fieldset")].find((set) => !set.querySelector(":checked"));
      unanswered.querySelector("input").focus({ preventScroll: true });
    });
    find(".open").addEventListener("change", (event) => {
      const file = event.target.files[0];
      event.target.value = "";
      if (!file) return;
      file.text().then((text) => {
        const judged = fill(JSON.parse(text));
        keep();
        say("Opened: " + judged + " judged.");
      }).catch((error) => say("This file cannot be opened: " + error.message + "."));
    });
    find(".clear").addEventListener("click", () => {
      if (!confirm("Forget every verdict on this page?")) return;
      fill({ format: "promvil_hf.verdicts", fingerprint, verdicts: [] });
      try { localStorage.removeItem(place); } catch (error) { /* nothing was kept */ }
      say("");
    });
    try {
      const kept = localStorage.getItem(place);
      const judged = kept ? fill(JSON.parse(kept)) : 0;
      if (judged) say("Went on from " + judged + " kept in this browser.");
    } catch (error) { /* no storage here */ }
    show();
  }
})();
