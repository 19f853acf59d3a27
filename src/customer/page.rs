//! The pages as HTML: escaped, readable without a script and to a screen reader, with one style and
//! one small script of our own in them, which the policy of the answer names by their digests.

use std::sync::LazyLock;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::words::Words;

/// What the customer has entered, to be corrected.
#[derive(Default)]
pub struct Entered {
    pub holder: String,
    pub iban: String,
    pub bic: String,
    /// The field that cannot be taken, as `access::bank` names it; empty when none.
    pub wrong: &'static str,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="{{ words.lang }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>{% if !entered.wrong.is_empty() %}{{ words.wrong }} {% endif %}{{ words.title }}</title>
<style>{{ style|safe }}</style>
</head>
<body>
<main>
<h1>{{ words.title }}</h1>
<p>{{ intro }}</p>
{% if !entered.wrong.is_empty() %}<p class="wrong" role="alert">{{ words.wrong }}</p>{% endif %}
<form method="post" autocomplete="on">
<div>
<label for="account_holder">{{ words.holder }}</label>
<p class="hint" id="holder-hint">{{ words.holder_hint }}</p>
{% if entered.wrong == "account_holder" %}<p class="wrong" id="holder-wrong">{{ words.wrong_holder }}</p>{% endif %}
<input id="account_holder" name="account_holder" required maxlength="140" autocomplete="name" value="{{ entered.holder }}"{% if entered.wrong == "account_holder" %} aria-invalid="true" aria-describedby="holder-hint holder-wrong" autofocus{% else %} aria-describedby="holder-hint"{% endif %}>
</div>
<div>
<label for="iban">{{ words.iban }}</label>
<p class="hint" id="iban-hint">{{ words.iban_hint }}</p>
<p class="wrong" id="iban-wrong" aria-live="polite" data-wrong="{{ words.wrong_iban }}">{% if entered.wrong == "iban" %}{{ words.wrong_iban }}{% endif %}</p>
<input id="iban" name="iban" required maxlength="50" autocomplete="off" autocapitalize="characters" spellcheck="false" value="{{ entered.iban }}" aria-describedby="iban-hint iban-wrong"{% if entered.wrong == "iban" %} aria-invalid="true" autofocus{% endif %}>
</div>
<div>
<label for="bic">{{ words.bic }}</label>
{% if entered.wrong == "bic" %}<p class="wrong" id="bic-wrong">{{ words.wrong_bic }}</p>{% endif %}
<input id="bic" name="bic" maxlength="11" autocomplete="off" autocapitalize="characters" spellcheck="false" value="{{ entered.bic }}"{% if entered.wrong == "bic" %} aria-invalid="true" aria-describedby="bic-wrong" autofocus{% endif %}>
</div>
<button type="submit">{{ words.send }}</button>
</form>
<p class="hint">{{ words.safe }} {{ until }}</p>
</main>
<script>{{ script|safe }}</script>
</body>
</html>
"#
)]
struct Form<'a> {
    words: &'a Words,
    style: &'a str,
    script: &'a str,
    intro: &'a str,
    until: &'a str,
    entered: &'a Entered,
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="{{ lang }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>{{ title }}</title>
<style>{{ style|safe }}</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
<p>{{ text }}</p>
</main>
</body>
</html>
"#
)]
struct Notice<'a> {
    lang: &'a str,
    style: &'a str,
    title: &'a str,
    text: &'a str,
}

const STYLE: &str = "\
:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}\
body{margin:0}main{max-width:34rem;margin:0 auto;padding:1.5rem}\
label{display:block;font-weight:600}form div{margin:1.25rem 0}\
input{box-sizing:border-box;width:100%;font:inherit;padding:.6rem;border:1px solid #767676;border-radius:.3rem}\
form+.hint{margin-top:1rem}\
button{font:inherit;font-weight:600;padding:.7rem 1.5rem;border:0;border-radius:.3rem;background:#0b57d0;color:#fff}\
input:focus-visible,button:focus-visible{outline:3px solid #0b57d0;outline-offset:2px}\
[aria-invalid=true]{border:2px solid #b3261e}\
.hint{margin:.2rem 0;opacity:.8}.wrong{margin:.2rem 0;color:#b3261e;font-weight:600}\
.wrong:empty{margin:0}label+input{margin-top:.2rem}form+.hint{margin-top:1.25rem}\
@media (prefers-color-scheme:dark){.wrong{color:#f2b8b5}[aria-invalid=true]{border-color:#f2b8b5}\
input:focus-visible,button:focus-visible{outline-color:#a8c7fa}}";

/// Says while one types whether the IBAN's check digits are right; the server decides.
const SCRIPT: &str = "\
(function(){var f=document.getElementById('iban'),n=document.getElementById('iban-wrong');\
if(!f||!n)return;\
function right(v){if(!/^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$/.test(v))return false;\
var s=v.slice(4)+v.slice(0,4),r=0,i,c;\
for(i=0;i<s.length;i++){c=parseInt(s[i],36);r=(r*(c>9?100:10)+c)%97}return r===1}\
f.addEventListener('input',function(){var v=f.value.replace(/\\s+/g,'').toUpperCase(),\
bad=v.length>=15&&!right(v);n.textContent=bad?n.getAttribute('data-wrong'):'';\
if(bad){f.setAttribute('aria-invalid','true')}else{f.removeAttribute('aria-invalid')}})})();";

/// What a browser may do with the pages: apply our style, run our script, and send the form back.
pub static POLICY: LazyLock<String> = LazyLock::new(|| {
    let named = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; form-action 'self'; base-uri 'none'; \
        frame-ancestors 'none'",
        named(STYLE),
        named(SCRIPT)
    )
});

/// The form, with what was entered so far.
pub fn form(words: &Words, intro: &str, until: &str, entered: &Entered) -> String {
    let form = Form { words, style: STYLE, script: SCRIPT, intro, until, entered };
    form.render().unwrap_or_default()
}

/// A page that says one thing.
pub fn notice(words: &Words, title: &str, text: &str) -> String {
    let notice = Notice { lang: &words.lang, style: STYLE, title, text };
    notice.render().unwrap_or_default()
}
