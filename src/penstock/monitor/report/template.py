"""The page of a report, without its content: markup, style and the script that draws."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from penstock.monitor.report.time_drawing import TIME_DRAWING, TIME_STYLE

__all__ = ["TEMPLATE"]

_DRAWING, _DRAWING_STYLE = (
    (files(__package__) / f"drawing.{kind}").read_text("utf-8") for kind in ("js", "css")
)

_STYLE: Final = """
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--ink:#1d2430;--dim:#626c7b;--line:#e2e5ea;
--ref:#b9c2cf;--cur:#0b6e99;--high:#b3261e;--medium:#8f5b00;--low:#1f5fa8;--quiet:#2b7a4b;--hover:#f1f4f7;--focus:#0b6e99}
@media (prefers-color-scheme:dark){:root:not([data-theme=light]){--bg:#14171c;--card:#1b1f26;--ink:#e6e9ee;
--dim:#98a2b1;--line:#2e343e;--ref:#4a5568;--cur:#5cc3ee;--high:#ff8a80;--medium:#f2b84b;--low:#84b8f4;
--quiet:#7ccf9b;--hover:#222831;--focus:#5cc3ee}}
:root[data-theme=dark]{color-scheme:dark;--bg:#14171c;--card:#1b1f26;--ink:#e6e9ee;--dim:#98a2b1;--line:#2e343e;
--ref:#4a5568;--cur:#5cc3ee;--high:#ff8a80;--medium:#f2b84b;--low:#84b8f4;--quiet:#7ccf9b;--hover:#222831;
--focus:#5cc3ee}
:root[data-theme=light]{color-scheme:light}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1240px;margin:0 auto;padding:28px 24px 64px}
header{display:flex;gap:16px;align-items:flex-start;justify-content:space-between}
h1{font-size:26px;line-height:1.2;margin:0 0 14px;font-weight:650;letter-spacing:-.01em}
h1.moved::before,h1.quiet::before{content:"";display:inline-block;width:.55em;height:.55em;border-radius:50%;
margin-right:.45em;background:var(--high)}
h1.quiet::before{background:var(--quiet)}
h2{font-size:12px;font-weight:600;color:var(--dim);margin:0 0 6px}
dl{display:flex;flex-wrap:wrap;gap:6px 32px;margin:0 0 18px}
dt{font-size:12px;color:var(--dim)}dd{margin:0;font-size:18px;font-variant-numeric:tabular-nums}
.note{margin:0 0 10px;padding:8px 12px;border-left:3px solid var(--medium);background:var(--card)}
.tools{display:flex;flex-wrap:wrap;gap:10px 18px;align-items:center;margin:0 0 12px}
.tools .key{margin-left:auto;color:var(--dim);font-size:13px}
.key i{display:inline-block;width:22px;height:10px;vertical-align:-1px;margin:0 5px 0 12px}
.key .r{background:var(--ref)}.key .c{border-top:2px solid var(--cur);height:0;vertical-align:4px}
input[type=search],select,.plain{font:inherit;color:inherit;background:var(--card);
border:1px solid var(--line);border-radius:6px;padding:6px 10px}
input[type=search]{width:230px}.plain{cursor:pointer;white-space:nowrap}
.wrap{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}
table{border-collapse:collapse;width:100%}
#features>thead th{font-size:12px;font-weight:600;color:var(--dim);text-align:left;
border-bottom:1px solid var(--line);padding:0;white-space:nowrap}
thead button,tr.f th button{all:unset;cursor:pointer;padding:9px 12px;box-sizing:border-box}
#features>thead th:not(:has(button)){padding:9px 12px}
thead button::after{content:"";display:inline-block;width:1em;text-align:center}
th[aria-sort=ascending] button::after{content:"↑"}th[aria-sort=descending] button::after{content:"↓"}
tr.f>*{border-bottom:1px solid var(--line);vertical-align:middle;text-align:left}
tr.f>td{padding:7px 12px}
tr.f:hover>*{background:var(--hover)}
tr.f th{font-weight:600;max-width:260px;overflow-wrap:anywhere}
tr.f th button::before{content:"▸";color:var(--dim);display:inline-block;width:1.1em}
tr.f th button[aria-expanded=true]::before{content:"▾"}
small{color:var(--dim);font-weight:400}
.n{font-variant-numeric:tabular-nums;white-space:nowrap}td.n,th.n{text-align:right!important}
.why{min-width:240px;overflow-wrap:anywhere}tr.f[data-alarm="0"] .why{color:var(--dim)}
.tag{font-size:13px;white-space:nowrap}.tag::before{content:"";display:inline-block;width:8px;height:8px;
border-radius:50%;margin-right:6px;background:currentColor}
.high{color:var(--high);font-weight:650}.medium{color:var(--medium);font-weight:600}.low{color:var(--low)}
.none{color:var(--dim)}.none::before{background:none!important;border:1px solid currentColor}
.spark{display:block}
:focus-visible{outline:2px solid var(--focus)!important;outline-offset:1px;border-radius:4px}
tr.d>td{padding:16px 20px 22px;border-bottom:1px solid var(--line);background:var(--bg)}
footer{color:var(--dim);font-size:13px;margin-top:20px;max-width:78ch}
@media (max-width:820px){main{padding:16px 12px 40px}}
@media print{.tools,.plain{display:none}body{background:#fff}}
"""

_SCRIPT: Final = """
const data=JSON.parse(document.getElementById('data').textContent);
const body=document.querySelector('#features tbody'),rows=[...body.rows];
function toggle(row){const b=row.querySelector('button'),open=b.getAttribute('aria-expanded')==='true';
 b.setAttribute('aria-expanded',!open);
 if(open){row.nextElementSibling.remove();return}
 const r=el('tr',null,'d'),c=el('td');r.id='d'+row.dataset.i;c.colSpan=row.cells.length;
 const p=panel(data[row.dataset.i]);if(past)p.append(timePanel(row.dataset.i));
 c.append(p);r.append(c);row.after(r)}
body.addEventListener('click',e=>{const row=e.target.closest('tr.f');
 if(row&&!getSelection().toString())toggle(row)});
const close=()=>rows.forEach(r=>{if(r.querySelector('[aria-expanded=true]'))toggle(r)});
const value=(r,i)=>r.cells[i].dataset.v??r.cells[i].textContent;
document.querySelectorAll('thead button').forEach(b=>b.addEventListener('click',()=>{
 const th=b.parentElement,i=th.cellIndex,was=th.getAttribute('aria-sort');
 const first=th.dataset.first||'ascending',other=first==='ascending'?'descending':'ascending';
 const now=was===first?other:first,sign=now==='ascending'?1:-1;
 document.querySelectorAll('thead th').forEach(t=>t.removeAttribute('aria-sort'));
 th.setAttribute('aria-sort',now);
 close();rows.sort((a,c)=>{const x=value(a,i),y=value(c,i);
  return sign*(i?x-y:x.localeCompare(y,undefined,{numeric:true}))||a.dataset.i-c.dataset.i});
 body.append(...rows)}));
const find=document.getElementById('find'),only=document.getElementById('only');
const kind=document.getElementById('kind');
const count=document.getElementById('count');
function filter(){close();const text=find.value.trim().toLowerCase();let shown=0;
 for(const r of rows){const hide=(only.checked&&r.dataset.alarm==='0')
  ||(kind.value&&r.dataset.kind!==kind.value)
  ||!r.cells[0].textContent.toLowerCase().includes(text);r.hidden=hide;shown+=!hide}
 count.textContent=shown+' of '+rows.length+' shown'}
[find,only,kind].forEach(e=>e.addEventListener('input',filter));filter();
document.getElementById('theme').addEventListener('click',()=>{const root=document.documentElement;
 const dark=root.dataset.theme?root.dataset.theme==='dark':matchMedia('(prefers-color-scheme: dark)').matches;
 root.dataset.theme=dark?'light':'dark'});
"""

_START: Final = """
if(rows.length&&rows[0].dataset.alarm==='1')toggle(rows[0]);
"""

TEMPLATE: Final = f"""<!doctype html>
<html lang=en>
<head>
<meta charset=utf-8>
<meta name=viewport content="width=device-width,initial-scale=1">
<meta http-equiv=Content-Security-Policy
content="default-src 'none';style-src 'unsafe-inline';script-src 'unsafe-inline'">
<title>Drift report</title>
<style>{_STYLE}{_DRAWING_STYLE}{TIME_STYLE}</style>
</head>
<body>
<main>
<header><h1 class=@STATE@>@HEADLINE@</h1>
<button class=plain id=theme type=button>Dark or light</button></header>
<dl>@FACTS@</dl>
@NOTES@
@SECTIONS@
<div class=tools role=search>
<input type=search id=find placeholder="Find a feature" aria-label="Find a feature">
<label><input type=checkbox id=only> Alarms only</label>
<select id=kind aria-label="Kind of feature"><option value="">All kinds</option><option>numeric</option>
<option>categorical</option></select>
<span id=count role=status></span>
<span class=key><i class=r></i>reference<i class=c></i>current</span>
</div>
<div class=wrap>
<table id=features>
<thead><tr>
<th scope=col><button type=button>Feature</button></th>
<th scope=col data-first=descending><button type=button>Alarm</button></th>
<th scope=col class=n data-first=descending><button type=button>Effect</button></th>
<th scope=col class=n><button type=button>p, corrected</button></th>
<th scope=col class=n data-first=descending><button type=button>PSI</button></th>
<th scope=col>Shape</th>
@TIMEHEAD@<th scope=col>What moved</th>
</tr></thead>
<tbody>
@ROWS@</tbody>
</table>
</div>
<footer>
<p>Features stand in order of evidence. Effect: the largest change in the share of rows, below a value, in one
interval or category, missing, out of range or unseen. p, corrected: the chance of such evidence anywhere in
the model when nothing moved (Holm). Noise level: what a statistic reaches by noise alone at these numbers of
rows and bins.</p>
</footer>
</main>
<svg id=ns hidden></svg>
<script type="application/json" id=data>@DATA@</script>
<script type="application/json" id=time>@TIME@</script>
<script>{_DRAWING}{_SCRIPT}{TIME_DRAWING}{_START}</script>
</body>
</html>
"""
