"""Script and style that draw a report over time: a line in each row, lines of one feature, a heat map."""

from __future__ import annotations

from typing import Final

__all__ = ["TIME_DRAWING", "TIME_STYLE"]

TIME_STYLE: Final = """
.block{margin:0 0 20px;padding:14px 16px;background:var(--card);border:1px solid var(--line);
border-radius:8px}
.scroll{overflow-x:auto}.small{font-size:13px}.small th,.small td{padding:4px 14px 4px 0;text-align:left;
vertical-align:top;font-weight:400;border-bottom:1px solid var(--line)}
.small thead th{color:var(--dim);font-size:12px}
.small .up td{font-weight:650}
.heat{max-height:420px;overflow:auto;position:relative}.heat canvas{display:block;cursor:pointer}
.tip{margin:8px 0 0;min-height:1.45em;font-size:13px;color:var(--dim)}
#quality{display:flex;flex-wrap:wrap;gap:14px 28px;margin-top:12px}
#quality>div{flex:1 1 260px;max-width:420px}
.time{grid-column:1/-1;display:grid;grid-template-columns:repeat(auto-fit,minmax(240px,1fr));gap:14px 28px}
.over path{fill:none;stroke:var(--cur);stroke-width:1.5}.over path.e{stroke:var(--dim);stroke-dasharray:4 3}
.over path.band{fill:var(--cur);fill-opacity:.15;stroke:none}.over circle{stroke:none}
.over text{fill:var(--dim);font-size:11px}.over .axis{stroke:var(--line)}
circle.s1{fill:var(--low)}circle.s2{fill:var(--medium)}circle.s3{fill:var(--high)}
td.t svg{display:block}td.t path{fill:none;stroke:var(--cur);stroke-width:1.2}
"""

TIME_DRAWING: Final = """
const past=JSON.parse(document.getElementById('time').textContent);
const tidy=v=>v==null?'–':Math.abs(v)>=1e5||v&&Math.abs(v)<1e-3?v.toExponential(2):String(+v.toPrecision(3));
const permille=v=>v==null?'–':(v/10).toFixed(1)+' %';
function pathOf(values,x,y){let d='',open=false;values.forEach((v,i)=>{if(v==null){open=false;return}
 d+=(open?'L':'M')+x(i).toFixed(1)+' '+y(v).toFixed(1);open=true});return d}
function marks(s,heat,values,x,y,r){if(!heat)return;values.forEach((v,i)=>{const k=heat[i];
 if(v!=null&&k>'0')s.append(sv('circle',{class:'s'+k,cx:x(i),cy:y(v),r:r}))})}
function overTime(title,values,options){
 const o=options||{},W=320,H=110,L=56,B=20,T=6,n=past.w.length,all=[values,o.low||[],o.high||[],o.other||[]]
  .flat().filter(v=>v!=null),box=el('div');
 box.append(el('h2',title));if(!all.length){box.append(el('p','No values.'));return box}
 let min=Math.min(...all),max=Math.max(...all);if(o.zero)min=Math.min(0,min);
 if(min===max){min-=Math.abs(min)*.05||.5;max+=Math.abs(max)*.05||.5}
 const x=i=>n>1?L+(W-L-6)*i/(n-1):L+(W-L)/2,y=v=>T+(H-T-B)*(1-(v-min)/(max-min)),show=o.show||tidy;
 const s=sv('svg',{viewBox:`0 0 ${W} ${H}`,width:'100%',class:'over',role:'img','aria-label':title});
 for(const v of[min,max])s.append(sv('line',{class:'axis',x1:L,x2:W-4,y1:y(v),y2:y(v)}),
  sv('text',{x:L-5,y:y(v)+4,'text-anchor':'end'},show(v)));
 if(o.low){const up=pathOf(o.high,x,y),back=o.low.map((v,i)=>[v,i]).filter(p=>p[0]!=null).reverse()
  .map(([v,i])=>'L'+x(i).toFixed(1)+' '+y(v).toFixed(1)).join('');
  if(up&&!up.slice(1).includes('M'))s.append(sv('path',{class:'band',d:up+back+'Z'}))}
 if(o.other)s.append(sv('path',{class:'e',d:pathOf(o.other,x,y)}));
 s.append(sv('path',{d:pathOf(values,x,y)}));
 if(n===1||values.filter(v=>v!=null).length===1)marks(s,'1'.repeat(n),values,x,y,2.5);
 marks(s,o.heat,values,x,y,3);
 s.append(sv('text',{x:L,y:H-5},past.w[0]));
 if(n>1)s.append(sv('text',{x:W-4,y:H-5,'text-anchor':'end'},past.w[n-1]));
 const step=(W-L)/n;past.w.forEach((label,i)=>{
  const r=sv('rect',{x:x(i)-step/2,y:T,width:step,height:H-T-B,fill:'transparent'});
  const more=o.other?'\\nestimated '+show(o.other[i]):'';
  r.append(sv('title',{},label+': '+show(values[i])+more));s.append(r)});
 box.append(s);return box}
function timePanel(i){const f=past.f[i],box=el('div',null,'time');
 box.append(overTime('PSI',f.s,{zero:true,heat:f.h}));
 if(f.a)box.append(overTime('Mean',f.a,{heat:f.h}));
 if(f.m)box.append(overTime('Missing',f.m,{zero:true,heat:f.h,show:permille}));
 if(f.o)box.append(overTime('Out of range or unseen',f.o,{zero:true,heat:f.h,show:permille}));
 return box}
function tiny(f){const W=110,H=26,n=f.s.length,all=f.s.filter(v=>v!=null),top=Math.max(...all,1e-9);
 const x=i=>n>1?3+(W-6)*i/(n-1):W/2,y=v=>H-3-(H-6)*v/top;
 const s=sv('svg',{class:'over',width:W,height:H,viewBox:`0 0 ${W} ${H}`,'aria-hidden':true});
 s.append(sv('path',{d:pathOf(f.s,x,y)}));marks(s,f.h,f.s,x,y,2);return s}
function heatMap(){const box=document.getElementById('heat');if(!box)return;
 const canvas=box.firstChild,tip=document.getElementById('tip'),n=past.w.length,R=18,L=170,T=20;
 const W=Math.max(box.clientWidth-4,L+n*4),C=Math.min((W-L)/n,60),H=T+R*past.f.length+4;
 const ratio=window.devicePixelRatio||1,shown=Math.min(H,16000);
 canvas.width=W*ratio;canvas.height=shown*ratio;canvas.style.width=W+'px';canvas.style.height=shown+'px';
 const c=canvas.getContext('2d'),style=getComputedStyle(document.documentElement);
 const colour=name=>style.getPropertyValue(name).trim();c.scale(ratio,ratio);c.clearRect(0,0,W,shown);
 c.font='12px system-ui,sans-serif';c.textBaseline='middle';
 const tone=[colour('--line'),colour('--low'),colour('--medium'),colour('--high')];
 c.fillStyle=colour('--dim');c.fillText(past.w[0],L,T/2);
 if(n>1){c.textAlign='right';c.fillText(past.w[n-1],L+C*n,T/2);c.textAlign='left'}
 past.f.forEach((f,i)=>{const y=T+R*i;c.fillStyle=colour('--ink');
  let name=data[i].n;while(name.length>3&&c.measureText(name).width>L-12)name=name.slice(0,-2)+'…';
  c.fillText(name,0,y+R/2);
  for(let k=0;k<n;k++){const s=f.h[k];if(s==='-')continue;
   const part=[.28,.5,.75,1][+s],w=Math.max(C-1,1),h=(R-3)*part;c.fillStyle=tone[+s];
   c.fillRect(L+C*k,y+(R-h)/2,w,h)}});
 const at=e=>{const b=canvas.getBoundingClientRect(),k=Math.floor((e.clientX-b.left-L)/C),
  i=Math.floor((e.clientY-b.top-T)/R);return k>=0&&k<n&&i>=0&&i<past.f.length?[i,k]:null};
 canvas.onmousemove=e=>{const p=at(e);if(!p)return;const f=past.f[p[0]],k=p[1],
  word={'0':'no alarm','1':'low','2':'medium','3':'high','-':'not compared'}[f.h[k]];
  tip.textContent=`${data[p[0]].n}, ${past.w[k]}: ${word}, effect ${permille(f.e[k])}, PSI ${tidy(f.s[k])}, `+
   `${past.n[k].toLocaleString()} rows`};
 canvas.onclick=e=>{const p=at(e);if(!p)return;const row=rows.find(r=>r.dataset.i==p[0]);
  if(row.querySelector('[aria-expanded=false]'))toggle(row);row.scrollIntoView({block:'center'})}}
if(past){
 for(const r of rows)r.querySelector('td.t').append(tiny(past.f[r.dataset.i]));
 const q=document.getElementById('quality');
 if(q)for(const name in past.q){const m=past.q[name];
  q.append(overTime(name+' by window: realised as a line, estimated dashed',m.r,
   {low:m.l,high:m.u,other:m.e}))}
 heatMap();addEventListener('resize',heatMap);
 document.getElementById('theme').addEventListener('click',()=>setTimeout(heatMap));
 matchMedia('(prefers-color-scheme: dark)').addEventListener('change',heatMap)}
"""
