// Saves page loads; nothing needs it. Each part of it stands on an attribute of the page:
//
//   data-part="id"      a link or form whose answer holds a new element with this id: it takes the old one's place
//   data-list="id"      a form that narrows a list: the same, at each change, and the address follows
//   data-dialog         a link whose page has [data-dialog-body]: it is shown in the dialog
//   data-dialog-form    a form in the dialog, whose answer is shown there too
//   data-again="path"   in the dialog: asked for until the answer has none
//   data-changed        in the dialog: the list behind it is out of date
//   data-close          closes the dialog
//   data-copy="#id"     copies the element's text
//   data-recognise      a field into which a key may be pasted: its mask takes its place, and the key goes nowhere
//   data-told           in the same form: what is found out about such a key
//   data-shown-by="name=value"  shown while the form's field has this value
//   data-busy="text"    what a button says while its form is sent
//   data-script         shown only where there is a script
'use strict';

(() => {
  const dialog = document.getElementById('dialog');
  const live = document.getElementById('live');
  const origin = location.origin;

  function say(text) {
    if (!live) return;
    live.textContent = '';
    setTimeout(() => { live.textContent = text; }, 50);
  }

  // A page of ours, read but not shown; null when it comes from elsewhere or not at all.
  async function fetchPage(address, options) {
    const url = new URL(address, location.href);
    if (url.origin !== origin) return null;
    try {
      const answer = await fetch(url, { credentials: 'same-origin', headers: { accept: 'text/html' }, ...options });
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      return { page, address: answer.url, redirected: answer.redirected };
    } catch {
      return null;
    }
  }

  function sent(form, submitter) {
    return { method: 'POST', body: new URLSearchParams(new FormData(form, submitter)) };
  }

  function prepare(root) {
    for (const element of root.querySelectorAll('[data-copy], [data-script]')) element.hidden = false;
    for (const element of root.querySelectorAll('[data-shown-by]')) follow(element);
  }

  function follow(element) {
    const [name, value] = element.dataset.shownBy.split('=');
    const field = element.closest('form')?.elements[name];
    if (!field) return;
    const update = () => { element.hidden = field.value !== value; };
    field.addEventListener('change', update);
    update();
  }

  function busy(form, on) {
    for (const button of form.querySelectorAll('button[type="submit"]')) {
      if (on && button.dataset.busy) {
        button.dataset.idle = button.textContent;
        button.textContent = button.dataset.busy;
        say(button.dataset.busy);
      } else if (!on && button.dataset.idle) {
        button.textContent = button.dataset.idle;
      }
      button.disabled = on;
    }
  }

  // Puts the element `id` of a page in the place of the one here.
  function replace(id, page) {
    const [here, there] = [document.getElementById(id), page.getElementById(id)];
    if (!here || !there) return null;
    const fresh = document.importNode(there, true);
    here.replaceWith(fresh);
    prepare(fresh);
    return fresh;
  }

  async function part(id, address, options) {
    const found = await fetchPage(address, options);
    const fresh = found && replace(id, found.page);
    if (!fresh) {
      location.assign(found ? found.address : address);
      return;
    }
    const field = fresh.querySelector('input:not([type="hidden"])');
    if (field) {
      field.focus();
      field.select();
    } else {
      (fresh.querySelector('[data-part]') || fresh.querySelector('a'))?.focus();
    }
    const done = found.page.querySelector('.flash');
    if (done) say(done.textContent);
  }

  // The list, anew. The last asked for wins.
  let asked = 0;
  async function list(id, address) {
    const turn = ++asked;
    document.getElementById(id)?.setAttribute('aria-busy', 'true');
    const found = await fetchPage(address);
    if (turn !== asked) return;
    if (!found || !replace(id, found.page)) {
      location.assign(address);
      return;
    }
    history.replaceState(null, '', found.address);
    const pager = document.querySelector(`#${id} .pager p`) || document.querySelector(`#${id} h2`);
    if (pager) say(pager.textContent);
  }

  function listAddress(form) {
    const url = new URL(form.action);
    for (const [name, value] of new FormData(form)) if (value) url.searchParams.set(name, value);
    return url.href;
  }

  // The dialog
  let opener = null;
  let again = null;
  let outdated = false;

  function show(found, address) {
    const body = found?.page.querySelector('[data-dialog-body]');
    if (!body || !dialog?.showModal) {
      location.assign(found ? found.address : address);
      return;
    }
    const fresh = document.importNode(body, true);
    dialog.replaceChildren(fresh);
    prepare(fresh);
    if (!dialog.open) dialog.showModal();
    if ('changed' in fresh.dataset) {
      outdated = true;
      say(fresh.textContent);
    }
    clearTimeout(again);
    if (fresh.dataset.again) {
      again = setTimeout(() => lookAgain(fresh.dataset.again), 1000);
    }
    (fresh.querySelector('.error') ? fresh.querySelector('[aria-invalid]') : fresh.querySelector('.buttons a, .buttons button'))?.focus();
  }

  async function lookAgain(address) {
    if (!dialog.open) return;
    const found = await fetchPage(address);
    if (dialog.open && found?.page.querySelector('[data-dialog-body]')) show(found, address);
  }

  dialog?.addEventListener('close', () => {
    clearTimeout(again);
    dialog.replaceChildren();
    if (outdated) {
      outdated = false;
      if (document.getElementById('list')) list('list', location.href);
      else location.reload();
      document.getElementById('main')?.focus();
    } else {
      opener?.focus();
    }
  });

  document.addEventListener('click', async (event) => {
    const target = event.target.closest?.('a, button');
    if (!target || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if ('close' in target.dataset && dialog?.open) {
      event.preventDefault();
      dialog.close();
    } else if (target.tagName === 'A' && 'dialog' in target.dataset) {
      event.preventDefault();
      if (!dialog.open) opener = target;
      show(await fetchPage(target.href), target.href);
    } else if (target.tagName === 'A' && target.dataset.part) {
      event.preventDefault();
      await part(target.dataset.part, target.href);
    } else if (target.dataset.copy) {
      await copy(target);
    }
  });

  document.addEventListener('submit', async (event) => {
    const form = event.target;
    if ('dialogForm' in form.dataset && dialog?.contains(form)) {
      event.preventDefault();
      busy(form, true);
      const found = await fetchPage(form.action, sent(form, event.submitter));
      busy(form, false);
      if (found) show(found, location.href);
      else say('The control plane does not answer. Try again.');
    } else if (form.dataset.part) {
      event.preventDefault();
      await part(form.dataset.part, form.action, sent(form, event.submitter));
    } else if (form.dataset.list) {
      event.preventDefault();
      recognise(form.querySelector('[data-recognise]'));
      await list(form.dataset.list, listAddress(form));
    } else if (form.method === 'post') {
      // After the browser has taken the fields.
      setTimeout(() => busy(form, true), 0);
    }
  });

  // Who comes back finds the buttons as they were. A page that the browser has kept as it stood is asked for again: who looks may have
  // signed out since, and a secret is shown once.
  addEventListener('pageshow', (event) => {
    if (event.persisted) {
      document.body.hidden = true;
      location.replace(location.href);
      return;
    }
    for (const form of document.forms) busy(form, false);
  });

  document.addEventListener('change', (event) => {
    const form = event.target.form;
    if (form?.dataset.list && event.target.tagName === 'SELECT') form.requestSubmit();
  });

  let typing = null;
  document.addEventListener('input', (event) => {
    const form = event.target.form;
    if (!form?.dataset.list || event.target.tagName !== 'INPUT') return;
    recognise(event.target);
    tell(form, '');
    clearTimeout(typing);
    typing = setTimeout(() => form.requestSubmit(), 300);
  });

  // Keys: `<prefix>_`, 32 characters, and 6 more that are the CRC-32 of all before them.
  const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

  function checksum(text) {
    let crc = -1;
    for (let place = 0; place < text.length; place++) {
      crc ^= text.charCodeAt(place);
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
    }
    let rest = ~crc >>> 0;
    let digits = '';
    for (let place = 0; place < 6; place++) {
      digits = DIGITS[rest % 62] + digits;
      rest = Math.floor(rest / 62);
    }
    return digits;
  }

  // A whole key becomes its mask.
  function mask(text) {
    const found = /^([a-z][a-z0-9_]{0,15})_([0-9A-Za-z]{4})[0-9A-Za-z]{28}[0-9A-Za-z]{2}([0-9A-Za-z]{4})$/.exec(text.trim());
    return found && `${found[1]}_${found[2]}...${found[3]}`;
  }

  // What a text is that somebody pastes or drops: a key or a mask, by its mask; a key that cannot be one, by what is wrong with it; or null: words.
  function judge(text) {
    const shown = /^[a-z][a-z0-9_]{0,15}_[0-9A-Za-z]{4}(?:\.{3}|\u2026)[0-9A-Za-z]{4}$/.exec(text);
    if (shown) return { mask: text.replace('\u2026', '...') };
    const whole = mask(text);
    if (whole && checksum(text.slice(0, -6)) === text.slice(-6)) return { mask: whole };
    if (whole) return { wrong: 'This is no whole key: its last six characters do not go with the others. It is mistyped, or of another product.' };
    const [, , secret] = /^([a-z][a-z0-9_]{0,15})_([0-9A-Za-z]{9,})$/.exec(text) || [];
    if (secret && /[0-9]/.test(secret) && /[A-Z]/.test(secret)) {
      return { wrong: secret.length < 38 ? `This is no whole key: after the prefix it has ${secret.length} of 38 characters. It is cut off, or of another product.`
        : 'This is longer than a key: perhaps two were copied as one, or it is of another product.' };
    }
    if (text.length > 24 && !/\s/.test(text)) return { wrong: 'This is no key that was made here: it is of another product, or was brought along from one. Nothing was looked for.' };
    return null;
  }

  function tell(form, text) {
    const told = form?.querySelector('[data-told]');
    if (told) told.textContent = text;
    if (text) say(text);
  }

  // Finds the key of a mask among all of the account.
  async function find(field, { mask: looked, wrong }) {
    const form = field.form;
    field.value = looked || '';
    if (wrong) {
      tell(form, wrong);
      return;
    }
    tell(form, '');
    for (const [name, all] of [['status', 'all'], ['environment', ''], ['project', '']]) {
      if (form.elements[name]) form.elements[name].value = all;
    }
    await list(form.dataset.list, listAddress(form));
    const names = document.querySelectorAll(`#${form.dataset.list} tbody .name > a:first-child`);
    if (names.length === 1) tell(form, `This is the key \u201c${names[0].textContent.trim()}\u201d.`);
    else if (names.length) tell(form, `${names.length} keys have this mask.`);
    else tell(form, 'No key of this account has this mask. It has the right shape, so it may be of another account or another control plane.');
  }

  function recognise(field) {
    if (!field || !('recognise' in field.dataset)) return;
    const found = mask(field.value);
    if (found) field.value = found;
  }

  for (const [name, data] of [['paste', 'clipboardData'], ['drop', 'dataTransfer']]) {
    document.addEventListener(name, (event) => {
      const field = event.target;
      if (!field.dataset || !('recognise' in field.dataset) || !field.form?.dataset.list) return;
      const found = judge((event[data]?.getData('text') || '').trim());
      if (!found) return;
      event.preventDefault();
      clearTimeout(typing);
      find(field, found);
    });
  }

  async function copy(button) {
    const source = document.querySelector(button.dataset.copy);
    const idle = [...button.childNodes];
    if (button.dataset.told) return;
    button.dataset.told = 'yes';
    let done = false;
    try {
      await navigator.clipboard.writeText(source.textContent);
      done = true;
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      done = document.execCommand('copy');
    }
    say(done ? 'Copied' : 'Selected: copy it with your keyboard');
    button.textContent = done ? 'Copied' : 'Selected';
    setTimeout(() => {
      button.replaceChildren(...idle);
      delete button.dataset.told;
    }, 2000);
  }

  // On a phone the pages are in a row that scrolls: where one is, is to be seen.
  const current = document.querySelector('.side nav [aria-current]');
  if (current) {
    const row = current.closest('nav');
    row.scrollLeft = current.offsetLeft - row.offsetLeft - (row.clientWidth - current.offsetWidth) / 2;
  }

  // A word on what was done is said once.
  const here = new URL(location.href);
  if (here.searchParams.has('done')) {
    here.searchParams.delete('done');
    history.replaceState(null, '', here);
  }
  prepare(document);
})();
