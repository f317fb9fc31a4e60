// Draws what detail.py makes of a feature, in the report and the dashboard. The page has an <svg id=ns hidden>.
const svgNs=document.getElementById('ns').namespaceURI;
const el=(tag,text,cls)=>{const e=document.createElement(tag);if(text!=null)e.textContent=text;
 if(cls)e.className=cls;return e};
const sv=(tag,attributes,text)=>{const e=document.createElementNS(svgNs,tag);
 for(const k in attributes)e.setAttribute(k,attributes[k]);if(text!=null)e.textContent=text;return e};
const pct=x=>(x*100).toFixed(x&&x<.1?2:1)+' %';
function tip(p,i){return sv('title',{},p.l[i]+'\nreference '+pct(p.b[i])+'\ncurrent '+pct(p.a[i]))}
function line(p){
 const W=640,H=230,L=46,B=26,T=8,n=p.b.length,top=Math.max(...p.b,...p.a)*1.05||1;
 const x=i=>L+(W-L-4)*i/n,y=v=>T+(H-T-B)*(1-v/top);
 const s=sv('svg',{viewBox:`0 0 ${W} ${H}`,width:'100%',class:'chart',role:'img'});
 for(let k=0;k<=3;k++){const v=top*k/3;s.append(sv('line',{class:'axis',x1:L,x2:W-4,y1:y(v),y2:y(v)}),
  sv('text',{x:L-6,y:y(v)+4,'text-anchor':'end'},pct(v)))}
 const path=a=>a.map((v,i)=>`V${y(v).toFixed(1)}H${x(i+1).toFixed(1)}`).join('');
 s.append(sv('path',{class:'r',d:`M${L} ${y(0)}${path(p.b)}V${y(0)}Z`}),
  sv('path',{class:'c',d:`M${L} ${y(0)}${path(p.a)}V${y(0)}`}));
 const ticks=[[0,p.l[0],'start'],[n/2,p.l[n>>1].split(' … ')[0],'middle'],[n,p.l[n-1],'end']];
 for(const[i,t,a]of ticks)s.append(sv('text',{x:x(i),y:H-8,'text-anchor':a},t));
 p.b.forEach((_,i)=>{const r=sv('rect',{class:'hit',x:x(i),y:T,width:x(1)-x(0),height:H-T-B});
  r.append(tip(p,i));s.append(r)});
 return s}
function bars(p){
 const W=640,R=24,L=190,n=p.b.length,H=n*R+4,all=[...p.b,...p.a].filter((_,i)=>!p.o||(i+1)%n),
  top=Math.max(...all)||1,w=v=>(W-L-60)*Math.min(1,v/top);
 const s=sv('svg',{viewBox:`0 0 ${W} ${H}`,width:'100%',class:'chart',role:'img'});
 p.l.forEach((t,i)=>{const y=i*R+3,short=t.length>26?t.slice(0,25)+'…':t;
  s.append(sv('text',{class:'label',x:L-8,y:y+13,'text-anchor':'end'},short),
   sv('rect',{class:'r',x:L,y:y,width:w(p.b[i]),height:9}),sv('rect',{class:'c',x:L,y:y+9,width:w(p.a[i]),height:7}),
   sv('text',{x:L+Math.max(w(p.b[i]),w(p.a[i]))+6,y:y+13},pct(p.a[i])));
  const r=sv('rect',{class:'hit',x:0,y:y-2,width:W,height:R});r.append(tip(p,i));s.append(r)});
 return s}
function grid(head,lines,mark){const t=el('table'),h=t.createTHead().insertRow();
 head.forEach((x,i)=>{const c=el('th',x,i&&x!=='what moved'?'n':'');c.scope='col';h.append(c)});
 const b=t.createTBody();for(const l of lines){const r=b.insertRow();
  head.forEach((x,i)=>r.append(el('td',l[i],(i&&x!=='what moved'?'n':'')+(mark(l)?' up':''))))}
 return t}
function part(title,...content){const s=el('section');s.append(el('h2',title),...content);return s}
function panel(f){const box=el('div',null,'panel'),left=el('div'),right=el('div');
 if(f.p){const chart=f.p.s==='line'?line(f.p):bars(f.p);
  chart.setAttribute('aria-label','Shares of '+f.n+', reference and current');
  const how=f.p.s==='line'?'as a line':'below it';
  left.append(part('Share of values: reference filled, current '+how,chart))}
 else left.append(part('Nothing to draw',el('p','A side has no values.')));
 right.append(part('Before and after',grid(['','reference','current'],f.t,()=>false)));
 right.append(el('br'));
 right.append(part('Statistics; bold where above what noise alone reaches',
  grid(['','value','noise level'],f.s,l=>l[3])));
 box.append(left,right);
 if(f.c.length){left.append(el('br'),
  part('Checks; bold where they alarm',grid(['check','what moved','effect','p','corrected'],f.c,l=>l[5])))}
 return box}
