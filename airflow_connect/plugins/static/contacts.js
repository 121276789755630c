/*! airflow-provider-amazon-connect, Apache-2.0. Built from ui/, sources 59f6d11bc8b1db8d025abea8a8fbebba5446b030721c150c6bc55f414b215f0f */
"use strict";(()=>{var Be=Object.create;var be=Object.defineProperty;var Ue=Object.getOwnPropertyDescriptor;var He=Object.getOwnPropertyNames;var Ve=Object.getPrototypeOf,je=Object.prototype.hasOwnProperty;var le=(e,t)=>()=>(t||e((t={exports:{}}).exports,t),t.exports);var qe=(e,t,n,a)=>{if(t&&typeof t=="object"||typeof t=="function")for(let o of He(t))!je.call(e,o)&&o!==n&&be(e,o,{get:()=>t[o],enumerable:!(a=Ue(t,o))||a.enumerable});return e};var w=(e,t,n)=>(n=e!=null?Be(Ve(e)):{},qe(t||!e||!e.__esModule?be(n,"default",{value:e,enumerable:!0}):n,e));var M=le((Rt,he)=>{he.exports=globalThis.React});var ie=le((St,we)=>{we.exports=globalThis.ReactRouterDOM});var _=le(($t,Ne)=>{Ne.exports=globalThis.ReactJSXRuntime});var se=w(M(),1);var re=w(M(),1),oe=w(ie(),1);var X=["failed","invalid","unknown","created","already_made","skipped","not_sent"],ce=class extends Error{constructor(n,a){super(a);this.status=n}};function E(e,t={}){let n=new URL(["amazon-connect","api",...e.map(encodeURIComponent)].join("/"),document.baseURI);for(let[a,o]of Object.entries(t))for(let r of Array.isArray(o)?o:[o])r!==void 0&&r!==""&&n.searchParams.append(a,String(r));return n.href}function Y(e){return["dags",e.dagId,"runs",e.runId,"tasks",e.taskId,String(e.mapIndex)]}async function ye(e,t){let n=await fetch(e,{credentials:"same-origin",headers:{Accept:"application/json"},signal:t});if(n.ok)return await n.json();let a;try{a=(await n.json()).detail}catch{a=void 0}throw new ce(n.status,Ge(n.status,a))}function Ge(e,t){switch(e){case 401:return"Your session has ended. Reload the page to log in.";case 403:return"You may not see the contacts of this Dag. Ask its owner for access to the Dag and its task instances.";default:return typeof t=="string"&&t!==""?t:`Airflow answered with status ${e}.`}}var xe=new Intl.NumberFormat("en"),Ke=new Intl.NumberFormat("en",{maximumSignificantDigits:3});function b(e){return e==null?"\u2013":xe.format(e)}function x(e,t,n=`${t}s`){return`${xe.format(e)} ${e===1?t:n}`}function O(e){return e==null?"\u2013":Ke.format(e)}function Z(e){return e==null?"\u2013":`${(e*100).toFixed(e>0&&e<.1?1:0)} %`}function C(e){return e.replaceAll("_"," ")}var ke=[[86400,"d"],[3600,"h"],[60,"min"],[1,"s"]];function v(e){if(e==null)return"\u2013";let t=Math.max(0,Math.round(e)),n=ke.findIndex(([o])=>t>=o);if(n<0)return"0 s";let a=[];for(let[o,r]of ke.slice(n,n+2)){let c=Math.floor(t/o);t-=c*o,c>0&&a.push(`${c} ${r}`)}return a.join(" ")}function J(e,t){return e===null?null:((t===null?Date.now():Date.parse(t))-Date.parse(e))/1e3}function Qe(){let e=localStorage.getItem("timezone");return e===null||e==="local"?void 0:e}function ve(e,t){let n=new Date(e);try{return new Intl.DateTimeFormat("sv-SE",{...t,timeZone:Qe()}).format(n)}catch{return new Intl.DateTimeFormat("sv-SE",t).format(n)}}function T(e){return e===null?"\u2013":ve(e,{dateStyle:"short",timeStyle:"medium"})}function U(e){return ve(e,{timeStyle:"medium"})}var p=w(_(),1),Xe={created:"good",already_made:"good",completed:"good",success:"good",failed:"bad",invalid:"bad",upstream_failed:"bad",unknown:"doubt",up_for_retry:"doubt",expired:"doubt",not_answered:"doubt",busy:"doubt",open:"busy",running:"busy",queued:"busy",deferred:"busy",transferred:"busy"};function ee(e){return Xe[e]??"quiet"}function z({state:e}){return e===null?(0,p.jsx)("span",{className:"ac-muted",children:"no status"}):(0,p.jsx)("span",{className:`ac-state ac-${ee(e)}`,children:C(e)})}function $({children:e,bad:t=!1}){return(0,p.jsx)("p",{className:t?"ac-notice ac-notice-bad":"ac-notice",role:t?"alert":"note",children:e.split("`").map((n,a)=>a%2===1?(0,p.jsx)("code",{children:n},a):n)})}function F(){return(0,p.jsx)("p",{className:"ac-muted",role:"status",children:"Loading \u2026"})}function H({id:e,url:t}){return e===null?(0,p.jsx)("span",{className:"ac-muted",children:"\u2013"}):Ye(t)?(0,p.jsx)("a",{className:"ac-id",href:t,rel:"noopener noreferrer",target:"_blank",title:"Open the contact's page",children:e}):(0,p.jsx)("span",{className:"ac-id",children:e})}function Ye(e){return e!==null&&/^https?:\/\//i.test(e)}function _e(e,t,n,a){let o=a<0?"":`/mapped/${a}`;return`${de(e,t,"")}/tasks/${encodeURIComponent(n)}${o}/plugin/contacts`}function de(e,t,n="/plugin/contacts-run"){return`/dags/${encodeURIComponent(e)}/runs/${encodeURIComponent(t)}${n}`}function ue({counts:e,done:t,total:n}){let a=n>0?t/n:1,o=e===null?[{state:"created",part:a}]:X.filter(r=>r!=="not_sent").map(r=>({state:r,part:(e[r]??0)/Math.max(e.rows,1)}));return(0,p.jsx)("div",{"aria-label":"Rows done","aria-valuemax":n,"aria-valuemin":0,"aria-valuenow":t,"aria-valuetext":`${b(t)} of ${x(n,"row")}`,className:"ac-progress",role:"progressbar",children:o.map(({state:r,part:c})=>c>0?(0,p.jsx)("span",{className:`ac-${ee(r)}`,style:{width:`${c*100}%`}},r):null)})}function me({counts:e}){if(e===null)return(0,p.jsx)("span",{className:"ac-muted",children:"\u2013"});let t=e.rows-(e.not_sent??0),n=X.slice(0,3).filter(a=>(e[a]??0)>0);return(0,p.jsxs)("div",{className:"ac-done",children:[(0,p.jsx)(ue,{counts:e,done:t,total:e.rows}),(0,p.jsxs)("span",{className:"ac-facts",children:[(0,p.jsxs)("span",{children:[b(t)," of ",b(e.rows)]}),n.map(a=>(0,p.jsxs)("span",{className:`ac-fault ac-${ee(a)}-text`,children:[b(e[a])," ",C(a)]},a))]})]})}function Re({task:e}){return e.counts!==null?(0,p.jsx)(me,{counts:e.counts}):e.contact===null?(0,p.jsx)("span",{className:"ac-muted",children:"\u2013"}):(0,p.jsx)(Ze,{contact:e.contact})}function Ze({contact:e}){return(0,p.jsxs)("span",{className:"ac-brief",children:[(0,p.jsx)(z,{state:e.state})," ",(0,p.jsx)(H,{id:e.contact_id,url:e.url})]})}function N({name:e,children:t,more:n}){return(0,p.jsxs)("div",{className:"ac-figure",children:[(0,p.jsx)("dt",{children:e}),(0,p.jsxs)("dd",{children:[t,n===void 0?null:(0,p.jsx)("small",{children:n})]})]})}var V=w(M(),1);var Je=60;function W(e,t){let[n,a]=(0,V.useState)({url:e,data:null,error:null,waits:!0}),o=(0,V.useRef)(t);return o.current=t,(0,V.useEffect)(()=>{let r=new AbortController,c,d=0,f=!1;async function u(){if(c=void 0,f=document.hidden,f)return;let k;try{let R=await ye(e,r.signal);d=0,k=o.current(R),a({url:e,data:R,error:null,waits:!1})}catch(R){if(r.signal.aborted)return;d+=1,k=Math.min(2**d*2,Je),a(h=>({...h,url:e,error:R,waits:!1}))}k!==null&&!r.signal.aborted&&(c=window.setTimeout(u,k*1e3))}function I(){!document.hidden&&f&&u()}return document.addEventListener("visibilitychange",I),u(),()=>{r.abort(),window.clearTimeout(c),document.removeEventListener("visibilitychange",I)}},[e]),n.url===e?n:{...n,error:null,waits:!0}}var q=w(M(),1);var g=w(_(),1),ne=130,j=34,ae=8,Se=8,et=22;function tt(e){let t=10**Math.floor(Math.log10(e));return([1,2,5,10].find(n=>n*t>=e)??10)*t}function nt(){let[e,t]=(0,q.useState)(600),n=(0,q.useRef)(null);return[(0,q.useRef)(o=>{n.current?.disconnect(),o!==null&&(n.current=new ResizeObserver(([r])=>t(Math.max(200,Math.round(r?.contentRect.width??600)))),n.current.observe(o))}).current,e]}function Ce({series:e,found:t}){let[n,a]=(0,q.useState)(null),[o,r]=nt(),c=e.filter(m=>m.rate!==null),[d,f]=[c[0],c.at(-1)];if(d===void 0||f===void 0||c.length<2)return null;let[u,I]=[Date.parse(d.at),Date.parse(f.at)],k=tt(Math.max(...c.map(m=>m.rate??0),t??0,.1)),R=m=>j+(Date.parse(m.at)-u)/Math.max(I-u,1)*(r-j-ae),h=m=>Se+(1-m)*(ne-Se-et),K=c.map(m=>`${R(m).toFixed(1)},${h((m.rate??0)/k).toFixed(1)}`).join(" "),S=n===null?void 0:c[n],D=Math.max(...c.map(m=>m.throttled??0));function L(m){let B=m.currentTarget.getBoundingClientRect(),y=(m.clientX-B.left)/B.width*r,P=c.map(Q=>Math.abs(R(Q)-y));a(P.indexOf(Math.min(...P)))}return(0,g.jsxs)("figure",{className:"ac-chart",ref:o,children:[(0,g.jsxs)("figcaption",{children:[(0,g.jsx)("span",{className:"ac-key ac-key-rate",children:"Contacts a second"}),(0,g.jsx)("span",{className:"ac-key ac-key-throttled",children:"Throttled share"}),t===null?null:(0,g.jsx)("span",{className:"ac-key ac-key-found",children:"Rate found"}),(0,g.jsx)("span",{className:"ac-pointed",children:S===void 0?"":`${U(S.at)}: ${O(S.rate)} a second, ${Z(S.throttled)} throttled`})]}),(0,g.jsxs)("svg",{"aria-label":`Rate from ${U(d.at)} to ${U(f.at)}: ${O(f.rate)} contacts a second at the end, at most ${O(Math.max(...c.map(m=>m.rate??0)))}; at most ${Z(D)} of the calls were throttled.`,onPointerLeave:()=>a(null),onPointerMove:L,role:"img",viewBox:`0 0 ${r} ${ne}`,children:[[0,.5,1].map(m=>(0,g.jsxs)("g",{children:[(0,g.jsx)("line",{className:"ac-grid",x1:j,x2:r-ae,y1:h(m),y2:h(m)}),(0,g.jsx)("text",{className:"ac-tick",textAnchor:"end",x:j-5,y:h(m)+4,children:O(m*k)})]},m)),c.map((m,B)=>(m.throttled??0)>0?(0,g.jsx)("line",{className:"ac-throttled",x1:R(m),x2:R(m),y1:h(0),y2:h(Math.min(1,m.throttled??0))},B):null),t===null?null:(0,g.jsx)("line",{className:"ac-found",x1:j,x2:r-ae,y1:h(t/k),y2:h(t/k)}),(0,g.jsx)("polyline",{className:"ac-rate",points:K}),S===void 0?null:(0,g.jsx)("circle",{className:"ac-point",cx:R(S),cy:h((S.rate??0)/k),r:4}),(0,g.jsx)("text",{className:"ac-tick",x:j,y:ne-6,children:U(d.at)}),(0,g.jsx)("text",{className:"ac-tick",textAnchor:"end",x:r-ae,y:ne-6,children:U(f.at)})]})]})}function pe({title:e,spread:t}){let n=Math.max(...t.buckets.map(a=>a.count),1);return(0,g.jsxs)("figure",{className:"ac-histogram",children:[(0,g.jsxs)("figcaption",{children:[e," ",(0,g.jsx)("span",{className:"ac-muted",children:t.median===null?"":`median ${v(t.median)}`})]}),(0,g.jsx)("ol",{children:t.buckets.map(a=>(0,g.jsxs)("li",{children:[(0,g.jsx)("span",{className:"ac-span",children:a.to===null?`over ${v(a.from)}`:a.from===0?`under ${v(a.to)}`:`${v(a.from)} to ${v(a.to)}`}),(0,g.jsx)("span",{className:"ac-bar",children:(0,g.jsx)("span",{style:{width:`${a.count/n*100}%`}})}),(0,g.jsx)("span",{className:"ac-number","aria-label":x(a.count,"contact"),children:a.count})]},a.from))})]})}var A=w(M(),1);var Te=w(M(),1),$e=w(ie(),1),ge="contacts_";function Ie(){let[e,t]=(0,$e.useSearchParams)(),n=o=>e.get(ge+o)??"",a=(0,Te.useCallback)(o=>t(r=>{let c=new URLSearchParams(r);for(let[d,f]of Object.entries(o))f===""?c.delete(ge+d):c.set(ge+d,f);return c},{replace:!0}),[t]);return[n,a]}var i=w(_(),1),ze=["25","50","100","200"],at=[{name:"row",title:"Row",sort:"row",cell:e=>b(e.row)},{name:"key",title:"Key",sort:"key",cell:e=>e.key??"\u2013"},{name:"state",title:"State",sort:"state",cell:e=>(0,i.jsx)(z,{state:e.state})},{name:"contact",title:"Contact",sort:null,cell:e=>(0,i.jsx)(H,{id:e.contact_id,url:e.url})},{name:"attempts",title:"Attempts",sort:"attempts",cell:e=>b(e.attempts)},{name:"at",title:"Time",sort:"at",cell:e=>(0,i.jsx)("time",{dateTime:e.at??void 0,children:T(e.at)})},{name:"error",title:"Error",sort:null,cell:e=>e.error??""},{name:"outcome",title:"Outcome",sort:"outcome",cell:rt}];function rt(e){return e.outcome===null?e.went_on_as===null?"":(0,i.jsx)("span",{title:`Transferred to ${e.went_on_as}`,children:"transferred"}):C(e.outcome)}function Pe({where:e,counts:t,refresh:n,changed:a}){let[o,r]=Ie(),[c,d,f,u]=[o("state"),o("q"),o("sort"),o("order")],I=ze.includes(o("size"))?o("size"):"25",k=Math.max(1,Math.floor(Number(o("page")))||1),R=E([...Y(e),"contacts"],{state:c.split(",").filter(y=>y!==""),outcome:o("outcome"),q:d,sort:f,order:f===""?"":u,limit:I,offset:(k-1)*Number(I)||void 0,at:a}),{data:h,error:K,waits:S}=W(R,()=>n),D=h===null?k:Math.max(1,Math.ceil(h.matching/Number(I))),L=(0,A.useId)();(0,A.useEffect)(()=>{!S&&k>D&&r({page:D===1?"":String(D)})},[S,k,D,r]);let m=at.filter(y=>y.name!=="key"||h?.show_keys===!0);function B(y){r({sort:f===y&&u==="desc"?"":y,order:f===y&&u!=="desc"?"desc":"",page:""})}return(0,i.jsxs)("section",{"aria-labelledby":L,className:"ac-section",children:[(0,i.jsx)("h3",{id:L,children:"Contacts"}),(0,i.jsx)(st,{counts:t,states:c,toggle:y=>r({state:y,page:""})}),(0,i.jsxs)("div",{className:"ac-tools",children:[(0,i.jsx)(lt,{found:d,search:y=>r({q:y,page:""}),showKeys:h?.show_keys===!0}),(0,i.jsx)("a",{className:"ac-button",download:!0,href:E([...Y(e),"failed.csv"]),children:"Download failed rows"})]}),K===null?null:(0,i.jsx)($,{bad:!0,children:K.message}),h?.notice?(0,i.jsx)($,{children:h.notice}):null,(0,i.jsx)("p",{"aria-live":"polite",className:"ac-muted ac-found-rows",children:h===null?"":ot(h,c,d,S)}),h===null?K===null?(0,i.jsx)(F,{}):null:(0,i.jsxs)(i.Fragment,{children:[(0,i.jsx)("div",{className:"ac-scroll",tabIndex:0,role:"region","aria-labelledby":L,children:(0,i.jsxs)("table",{"aria-busy":S,"aria-labelledby":L,className:"ac-table ac-sorted",role:"table",children:[(0,i.jsx)("thead",{role:"rowgroup",children:(0,i.jsx)("tr",{role:"row",children:m.map(y=>(0,i.jsx)(it,{column:y,order:u,sort:f,sortBy:B},y.name))})}),(0,i.jsx)("tbody",{role:"rowgroup",children:h.rows.map(y=>(0,i.jsx)("tr",{role:"row",children:m.map(P=>{let Q=P.cell(y);return(0,i.jsx)("td",{className:`ac-cell-${P.name}`,"data-empty":Q==="","data-title":P.title,role:"cell",children:Q},P.name)})},y.row))})]})}),(0,i.jsx)(ct,{last:D,page:k,set:r,size:I})]})]})}function ot(e,t,n,a){return a?"Loading \u2026":e.total===0?"No rows are on record yet.":t!==""||n!==""||e.matching!==e.total?`${b(e.matching)} of ${x(e.total,"row")} match`:`${x(e.total,"row")} on record`}function st({counts:e,states:t,toggle:n}){let a=t.split(",").filter(r=>r!==""),o=X.filter(r=>e===null||(e[r]??0)>0||a.includes(r));return(0,i.jsxs)("div",{"aria-label":"Filter by state",className:"ac-filters",role:"group",children:[(0,i.jsxs)("button",{"aria-pressed":a.length===0,className:"ac-chip",onClick:()=>n(""),type:"button",children:["all ",(0,i.jsx)("b",{children:e===null?"":b(e.rows)})]}),o.map(r=>{let c=a.includes(r),d=c?a.filter(f=>f!==r):[...a,r];return(0,i.jsxs)("button",{"aria-pressed":c,className:`ac-chip ac-${ee(r)}`,onClick:()=>n(d.join(",")),type:"button",children:[C(r)," ",(0,i.jsx)("b",{children:e===null?"":b(e[r]??0)})]},r)})]})}function lt({found:e,search:t,showKeys:n}){let[a,o]=(0,A.useState)(e);(0,A.useEffect)(()=>o(e),[e]),(0,A.useEffect)(()=>{if(a===e)return;let c=window.setTimeout(()=>t(a.trim()),400);return()=>window.clearTimeout(c)},[a,e,t]);let r=n?"Row, key, contact ID or error":"Row, contact ID or error";return(0,i.jsx)("input",{"aria-label":`Search: ${r.toLowerCase()}`,className:"ac-input",maxLength:200,onChange:c=>o(c.target.value),placeholder:r,type:"search",value:a})}function it({column:e,sort:t,order:n,sortBy:a}){let{sort:o}=e;if(o===null)return(0,i.jsx)("th",{role:"columnheader",scope:"col",children:e.title});let r=t!==o?"none":n==="desc"?"descending":"ascending";return(0,i.jsx)("th",{"aria-sort":r,role:"columnheader",scope:"col",children:(0,i.jsxs)("button",{onClick:()=>a(o),type:"button",children:[e.title,(0,i.jsx)("span",{"aria-hidden":"true",children:{none:"\u2195",ascending:"\u2191",descending:"\u2193"}[r]})]})})}function ct({page:e,last:t,size:n,set:a}){let o=r=>a({page:r===1?"":String(r)});return(0,i.jsxs)("nav",{"aria-label":"Pages of contacts",className:"ac-pages",children:[(0,i.jsx)("button",{className:"ac-button",disabled:e<=1,onClick:()=>o(e-1),type:"button",children:"Previous"}),(0,i.jsxs)("span",{children:["Page ",b(Math.min(e,t))," of ",b(t)]}),(0,i.jsx)("button",{className:"ac-button",disabled:e>=t,onClick:()=>o(e+1),type:"button",children:"Next"}),(0,i.jsxs)("label",{children:["Rows on a page"," ",(0,i.jsx)("select",{className:"ac-input",onChange:r=>a({size:r.target.value,page:""}),value:n,children:ze.map(r=>(0,i.jsx)("option",{children:r},r))})]})]})}var s=w(_(),1);function Ee({where:e}){let{data:t,error:n}=W(E(Y(e)),a=>a.refresh_seconds);return t===null?n===null?(0,s.jsx)(F,{}):(0,s.jsx)($,{bad:!0,children:n.message}):(0,s.jsxs)(s.Fragment,{children:[n===null?null:(0,s.jsx)($,{bad:!0,children:`${n.message} This is what was known before.`}),t.notice===null?null:(0,s.jsx)($,{children:t.notice}),t.kind==="other"?(0,s.jsx)(te,{children:"This task does not create or change contacts."}):(0,s.jsxs)(s.Fragment,{children:[t.progress!==null||t.counts!==null?(0,s.jsx)(ut,{task:t}):null,t.branch===null?null:(0,s.jsx)(ft,{tasks:t.branch.followed}),t.contacts.length===0?null:(0,s.jsx)(bt,{contacts:t.contacts}),t.outcomes===null?null:(0,s.jsx)(mt,{outcomes:t.outcomes}),t.changes.length===0?null:(0,s.jsx)(pt,{changes:t.changes}),t.has_contacts?(0,s.jsx)(Pe,{changed:`${t.try_number}${t.refresh_seconds===null?"e":""}`,counts:t.counts,refresh:t.refresh_seconds,where:e}):null,dt(t)?(0,s.jsx)(te,{children:"Nothing is known yet of the contacts of this task."}):null]})]})}function dt(e){return e.progress===null&&e.counts===null&&e.contacts.length===0&&e.changes.length===0&&!e.has_contacts&&e.notice===null}function te({children:e}){return(0,s.jsx)("p",{className:"ac-empty",children:e})}function ut({task:e}){let{progress:t,counts:n}=e,a=t?.total??n?.rows??0,o=t?.done??a-(n?.not_sent??0),r=e.refresh_seconds!==null&&e.ended===null;return(0,s.jsxs)("section",{"aria-label":"Progress",className:"ac-section",children:[(0,s.jsxs)("div",{className:"ac-headline",children:[(0,s.jsxs)("strong",{children:[b(o)," of ",x(a,"row")," done"]}),(0,s.jsx)("span",{className:"ac-muted",children:r?t?.seconds_left===null||t===null?"":`about ${v(t.seconds_left)} left`:`took ${v(J(e.started,e.ended))}`})]}),(0,s.jsx)(ue,{counts:n,done:o,total:a}),t===null?null:(0,s.jsxs)("dl",{className:"ac-figures",children:[(0,s.jsx)(N,{more:"contacts a second",name:r?"Rate now":"Rate",children:O(t.rate)}),(0,s.jsx)(N,{more:"calls a second",name:"Rate found",children:O(t.rate_found)}),(0,s.jsx)(N,{more:"of the calls",name:"Throttled",children:Z(t.throttled_share)}),(0,s.jsx)(N,{name:"As of",children:T(t.at)})]}),(0,s.jsx)(Ce,{found:t?.rate_found??null,series:e.series})]})}function mt({outcomes:e}){let t=Object.entries(e.states).filter(([,a])=>a>0),n=Object.entries(e.decisions??{}).filter(([,a])=>a>0);return(0,s.jsxs)("section",{"aria-label":"Outcomes",className:"ac-section",children:[(0,s.jsx)("h3",{children:"Outcomes"}),(0,s.jsxs)("dl",{className:"ac-figures",children:[(0,s.jsx)(N,{more:`of ${x(e.contacts,"contact")}`,name:"Open",children:b(e.open)}),n.map(([a,o])=>(0,s.jsx)(N,{more:"decided",name:a,children:b(o)},`decision ${a}`)),t.map(([a,o])=>(0,s.jsx)(N,{name:C(a),children:b(o)},a))]}),(0,s.jsxs)("div",{className:"ac-histograms",children:[e.wait===null||e.wait.count===0?null:(0,s.jsx)(pe,{spread:e.wait,title:"Until an agent took it"}),e.handle===null||e.handle.count===0?null:(0,s.jsx)(pe,{spread:e.handle,title:"How long people took"})]})]})}function pt({changes:e}){return(0,s.jsxs)("section",{"aria-label":"Changes by later tasks",className:"ac-section",children:[(0,s.jsx)("h3",{children:"Changes by later tasks"}),(0,s.jsx)("ul",{className:"ac-list",children:e.map(t=>(0,s.jsxs)("li",{children:[(0,s.jsx)(z,{state:t.state}),(0,s.jsxs)("b",{children:[t.task_id,t.map_index<0?"":` [${t.map_index}]`]}),(0,s.jsx)("span",{children:gt(t)}),(0,s.jsx)("span",{className:"ac-muted",children:T(t.at)})]},`${t.task_id} ${t.map_index}`))})]})}function gt(e){let t=[];return e.done!==null&&t.push(`${x(e.done,"contact")} ${C(e.what)}`),e.ended_before&&t.push(`${b(e.ended_before)} had ended before`),e.failed&&t.push(`${b(e.failed)} failed`),t.length===0?C(e.what):t.join(", ")}function ft({tasks:e}){return(0,s.jsxs)("section",{"aria-label":"Branch",className:"ac-section",children:[(0,s.jsx)("h3",{children:"Branch"}),(0,s.jsx)("p",{children:e.length===0?"No task follows.":`The Dag goes on with ${e.join(", ")}.`})]})}function bt({contacts:e}){return(0,s.jsxs)("section",{"aria-label":e.length===1?"Contact":"Contacts",className:"ac-section",children:[(0,s.jsx)("h3",{children:e.length===1?"Contact":x(e.length,"contact")}),e.map(t=>(0,s.jsx)(ht,{contact:t},t.contact_id))]})}function ht({contact:e}){return(0,s.jsxs)("article",{className:"ac-contact",children:[(0,s.jsxs)("div",{className:"ac-headline",children:[(0,s.jsx)(z,{state:e.state}),(0,s.jsx)(H,{id:e.contact_id,url:e.url})]}),(0,s.jsxs)("dl",{className:"ac-figures",children:[(0,s.jsx)(N,{name:"Created",children:T(e.created)}),(0,s.jsx)(N,{name:e.connected===null&&e.state==="open"?"Waiting for":"Waited",children:v(e.waited_seconds)}),(0,s.jsx)(N,{name:"Taken by",more:e.connected===null?void 0:T(e.connected),children:e.agent??(e.state==="open"?"nobody yet":"\u2013")}),e.queue===null?null:(0,s.jsx)(N,{name:"Queue",children:e.queue}),e.ended===null?null:(0,s.jsx)(N,{more:e.disconnect_reason===null?void 0:C(e.disconnect_reason).toLowerCase(),name:"Ended",children:T(e.ended)}),e.handle_seconds===null?null:(0,s.jsx)(N,{name:"Handled in",children:v(e.handle_seconds)})]}),e.chain.length<2?null:(0,s.jsxs)("div",{className:"ac-chain",children:[(0,s.jsx)("span",{className:"ac-muted",children:"Transfers"}),(0,s.jsx)("ol",{children:e.chain.map(t=>(0,s.jsx)("li",{children:(0,s.jsx)(H,{id:t.contact_id,url:t.url})},t.contact_id))})]})]})}var l=w(_(),1),wt=15,fe=100,Oe=25;function Ae({dagId:e,runId:t}){let[n,a]=(0,re.useState)(0),o=E(["dags",e,"runs",t],{limit:fe,offset:n||void 0}),{data:r,error:c}=W(o,d=>d.refresh_seconds);return r===null?c===null?(0,l.jsx)(F,{}):(0,l.jsx)($,{bad:!0,children:c.message}):(0,l.jsxs)("section",{"aria-label":"Tasks with contacts",className:"ac-section",children:[c===null?null:(0,l.jsx)($,{bad:!0,children:c.message}),r.tasks.length===0?(0,l.jsx)(te,{children:"No task of this run creates or changes contacts."}):(0,l.jsx)(Me,{columns:["Task","State","Contacts","Started","Duration"],children:r.tasks.map(d=>(0,l.jsxs)("tr",{role:"row",children:[(0,l.jsx)("td",{"data-title":"Task",role:"cell",children:(0,l.jsxs)(oe.Link,{to:_e(e,t,d.task_id,d.map_index),children:[d.task_id,d.map_index<0?"":` [${d.label??d.map_index}]`]})}),(0,l.jsx)("td",{"data-title":"State",role:"cell",children:(0,l.jsx)(z,{state:d.state})}),(0,l.jsx)("td",{className:"ac-wide","data-title":"Contacts",role:"cell",children:(0,l.jsx)(Re,{task:d})}),(0,l.jsx)("td",{className:"ac-time","data-title":"Started",role:"cell",children:T(d.started)}),(0,l.jsx)("td",{className:"ac-time","data-title":"Duration",role:"cell",children:v(J(d.started,d.ended))})]},`${d.task_id} ${d.map_index}`))}),(0,l.jsx)(Fe,{from:n,go:a,hasMore:n+fe<r.total,size:fe,what:`${x(r.total,"task instance")} with contacts`})]})}var yt=[1,7,30,90];function De({dagId:e}){let[t,n]=(0,re.useState)(7),[a,o]=(0,re.useState)(0),c=E(e===void 0?["runs"]:["dags",e,"runs"],{days:t,limit:Oe,offset:a||void 0}),{data:d,error:f}=W(c,()=>wt);return(0,l.jsxs)("section",{"aria-label":"Runs with contacts",className:"ac-section",children:[e===void 0?(0,l.jsx)("h2",{children:"Contacts of Amazon Connect"}):null,(0,l.jsxs)("label",{className:"ac-tools",children:[(0,l.jsx)("span",{children:"Runs of the last"}),(0,l.jsx)("select",{className:"ac-input",onChange:u=>{n(Number(u.target.value)),o(0)},value:t,children:yt.map(u=>(0,l.jsx)("option",{value:u,children:x(u,"day")},u))})]}),f===null?null:(0,l.jsx)($,{bad:!0,children:f.message}),d===null?f===null?(0,l.jsx)(F,{}):null:d.runs.length===0&&a===0?(0,l.jsx)(te,{children:`No run of the last ${x(t,"day")} created or changed contacts.`}):(0,l.jsxs)(l.Fragment,{children:[(0,l.jsx)(Me,{columns:[...e===void 0?["Dag"]:[],"Run","State","Rows done","Tasks","Started","Duration"],children:d.runs.map(u=>(0,l.jsxs)("tr",{role:"row",children:[e===void 0?(0,l.jsx)("td",{"data-title":"Dag",role:"cell",children:(0,l.jsx)(oe.Link,{to:`/dags/${encodeURIComponent(u.dag_id)}/plugin/contacts-dag`,children:u.dag_id})}):null,(0,l.jsx)("td",{"data-title":"Run",role:"cell",children:(0,l.jsx)(oe.Link,{to:de(u.dag_id,u.run_id),children:u.run_id})}),(0,l.jsx)("td",{"data-title":"State",role:"cell",children:(0,l.jsx)(z,{state:u.state})}),(0,l.jsx)("td",{className:"ac-wide","data-title":"Rows done",role:"cell",children:(0,l.jsx)(me,{counts:u.counts})}),(0,l.jsx)("td",{"data-title":"Tasks",role:"cell",children:(0,l.jsxs)("span",{className:"ac-facts",children:[(0,l.jsx)("span",{children:b(u.tasks)}),u.failed_tasks>0?(0,l.jsxs)("span",{className:"ac-fault ac-bad-text",children:[b(u.failed_tasks)," failed"]}):null]})}),(0,l.jsx)("td",{className:"ac-time","data-title":"Started",role:"cell",children:T(u.started)}),(0,l.jsx)("td",{className:"ac-time","data-title":"Duration",role:"cell",children:v(J(u.started,u.ended))})]},`${u.dag_id} ${u.run_id}`))}),(0,l.jsx)(Fe,{from:a,go:o,hasMore:d.has_more,size:Oe,what:""})]})]})}function Me({columns:e,children:t}){return(0,l.jsx)("div",{className:"ac-scroll",children:(0,l.jsxs)("table",{className:"ac-table",role:"table",children:[(0,l.jsx)("thead",{role:"rowgroup",children:(0,l.jsx)("tr",{role:"row",children:e.map(n=>(0,l.jsx)("th",{role:"columnheader",scope:"col",children:n},n))})}),(0,l.jsx)("tbody",{role:"rowgroup",children:t})]})})}function Fe({from:e,size:t,hasMore:n,go:a,what:o}){return e===0&&!n?o===""?null:(0,l.jsx)("p",{className:"ac-muted",children:o}):(0,l.jsxs)("nav",{"aria-label":"Pages",className:"ac-pages",children:[(0,l.jsx)("button",{className:"ac-button",disabled:e===0,onClick:()=>a(Math.max(0,e-t)),type:"button",children:"Previous"}),(0,l.jsx)("button",{className:"ac-button",disabled:!n,onClick:()=>a(e+t),type:"button",children:"Next"}),(0,l.jsx)("span",{className:"ac-muted",children:o})]})}var We=`/* The colours are Airflow's own: its theme defines these variables for light and for dark, on 3.1 to 3.3. */
.amazon-connect {
  --ac-fg: var(--chakra-colors-fg, #18181b);
  --ac-muted: var(--chakra-colors-fg-muted, #52525b);
  --ac-subtle: var(--chakra-colors-bg-subtle, #fafafa);
  --ac-bg-muted: var(--chakra-colors-bg-muted, #f4f4f5);
  --ac-border: var(--chakra-colors-border, #e4e4e7);
  --ac-line: var(--chakra-colors-border-emphasized, #d4d4d8);
  --ac-brand: var(--chakra-colors-brand-solid, #3f5d88);
  --ac-on-brand: var(--chakra-colors-brand-contrast, white);
  --ac-link: var(--chakra-colors-fg-info, #1d4ed8);

  box-sizing: border-box;
  color: var(--ac-fg);
  container-type: inline-size;
  font-size: 0.875rem;
  height: 100%;
  line-height: 1.4;
  /* Airflow's pages of a Dag are 1280 pixels wide at least: on a phone one moves to the tab, and then reads it whole. */
  max-width: calc(100vw - 4rem);
  overflow: auto;
  padding: 1rem;
}
.amazon-connect * {
  box-sizing: border-box;
}
.amazon-connect h2 {
  font-size: 1.25rem;
  font-weight: 600;
  margin: 0 0 0.75rem;
}
.amazon-connect h3 {
  font-size: 1rem;
  font-weight: 600;
  margin: 0 0 0.5rem;
}
.amazon-connect a:not(.ac-button) {
  color: var(--ac-link);
  text-decoration: none;
}
.amazon-connect a:not(.ac-button):hover {
  text-decoration: underline;
  text-underline-offset: 3px;
}
.amazon-connect :focus-visible {
  outline: 2px solid var(--chakra-colors-brand-focus-ring, #2563eb);
  outline-offset: 2px;
}
.amazon-connect code {
  background: var(--ac-bg-muted);
  border-radius: 4px;
  font-family: var(--chakra-fonts-mono, monospace);
  padding: 0 0.25em;
}
.amazon-connect small {
  color: var(--ac-muted);
  display: block;
  font-size: 0.75rem;
  font-weight: 400;
}
.ac-muted {
  color: var(--ac-muted);
}
.ac-section {
  margin: 0 0 1.5rem;
}
.ac-empty {
  border: 1px dashed var(--ac-line);
  border-radius: 6px;
  color: var(--ac-muted);
  padding: 2rem 1rem;
  text-align: center;
}
.ac-notice {
  background: var(--chakra-colors-bg-info, #eff6ff);
  border-left: 4px solid var(--chakra-colors-border-info, #3b82f6);
  border-radius: 4px;
  margin: 0 0 1rem;
  overflow-wrap: anywhere;
  padding: 0.5rem 0.75rem;
}
.ac-notice-bad {
  background: var(--chakra-colors-bg-error, #fef2f2);
  border-color: var(--chakra-colors-border-error, #ef4444);
}

/* What a state looks like. */
.ac-good {
  --ac-tone: var(--chakra-colors-success-solid, #16a34a);
  --ac-tone-bg: var(--chakra-colors-success-subtle, #dcfce7);
  --ac-tone-fg: var(--chakra-colors-success-fg, #166534);
}
.ac-bad {
  --ac-tone: var(--chakra-colors-failed-solid, #dc2626);
  --ac-tone-bg: var(--chakra-colors-failed-subtle, #fee2e2);
  --ac-tone-fg: var(--chakra-colors-failed-fg, #991b1b);
}
.ac-doubt {
  --ac-tone: var(--chakra-colors-warning-solid, #d97706);
  --ac-tone-bg: var(--chakra-colors-warning-subtle, #fef3c7);
  --ac-tone-fg: var(--chakra-colors-warning-fg, #92400e);
}
.ac-busy {
  --ac-tone: var(--chakra-colors-running-solid, #0891b2);
  --ac-tone-bg: var(--chakra-colors-running-subtle, #cffafe);
  --ac-tone-fg: var(--chakra-colors-running-fg, #155e75);
}
.ac-quiet {
  --ac-tone: var(--chakra-colors-gray-500, #71717a);
  --ac-tone-bg: var(--ac-bg-muted);
  --ac-tone-fg: var(--ac-fg);
}
.ac-state {
  background: var(--ac-tone-bg);
  border-radius: 999px;
  color: var(--ac-tone-fg);
  display: inline-block;
  font-size: 0.8125rem;
  font-weight: 500;
  padding: 0.05rem 0.6rem;
  white-space: nowrap;
}
.ac-facts {
  display: flex;
  flex-wrap: wrap;
  gap: 0 0.6rem;
}
.ac-fault {
  font-weight: 600;
  white-space: nowrap;
}
.ac-bad-text {
  color: var(--chakra-colors-failed-fg, #991b1b);
}
.ac-doubt-text {
  color: var(--chakra-colors-warning-fg, #92400e);
}

/* Progress */
.ac-headline {
  align-items: baseline;
  display: flex;
  flex-wrap: wrap;
  gap: 0.25rem 1rem;
  margin-bottom: 0.5rem;
}
.ac-headline strong {
  font-size: 1.125rem;
}
.ac-progress {
  background: var(--chakra-colors-bg-emphasized, #e4e4e7);
  border-radius: 999px;
  display: flex;
  height: 0.75rem;
  overflow: hidden;
  width: 100%;
}
.ac-progress > span {
  background: var(--ac-tone);
  min-width: 3px;
  transition: width 0.6s;
}
.ac-figures {
  display: flex;
  flex-wrap: wrap;
  gap: 0.5rem;
  margin: 0.75rem 0;
}
.ac-figure {
  background: var(--ac-subtle);
  border: 1px solid var(--ac-border);
  border-radius: 6px;
  flex: 1 1 8rem;
  max-width: 16rem;
  padding: 0.4rem 0.75rem;
}
.ac-figure dt {
  color: var(--ac-muted);
  font-size: 0.8125rem;
}
.ac-figure dd {
  font-size: 1rem;
  font-weight: 600;
  margin: 0;
  overflow-wrap: anywhere;
}

/* Charts */
.ac-chart,
.ac-histogram {
  margin: 0.75rem 0;
}
.ac-chart figcaption {
  display: flex;
  flex-wrap: wrap;
  font-size: 0.8125rem;
  gap: 0.25rem 1rem;
}
.ac-chart svg {
  display: block;
  height: auto;
  width: 100%;
}
.ac-key::before {
  background: var(--ac-key);
  border-radius: 2px;
  content: "";
  display: inline-block;
  height: 0.6em;
  margin-right: 0.4em;
  width: 1em;
}
.ac-key-rate {
  --ac-key: var(--ac-brand);
}
.ac-key-throttled {
  --ac-key: var(--chakra-colors-orange-400, #fb923c);
}
.ac-key-found {
  --ac-key: var(--ac-muted);
}
.ac-pointed {
  color: var(--ac-muted);
  margin-left: auto;
}
.ac-grid {
  stroke: var(--ac-border);
}
.ac-tick {
  fill: var(--ac-muted);
  font-size: 11px;
}
.ac-rate {
  fill: none;
  stroke: var(--chakra-colors-brand-solid, #3f5d88);
  stroke-linejoin: round;
  stroke-width: 2;
}
.dark .ac-rate {
  stroke: var(--chakra-colors-brand-400, #7da2d6);
}
.dark .ac-key-rate {
  --ac-key: var(--chakra-colors-brand-400, #7da2d6);
}
.ac-found {
  stroke: var(--ac-muted);
  stroke-dasharray: 4 4;
}
.ac-throttled {
  stroke: var(--chakra-colors-orange-400, #fb923c);
  stroke-width: 3;
}
.ac-point {
  fill: var(--ac-fg);
}
.ac-histograms {
  display: grid;
  gap: 0 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr));
}
.ac-histogram figcaption {
  font-weight: 600;
}
.ac-histogram figcaption .ac-muted {
  font-weight: 400;
  margin-left: 0.5rem;
}
.ac-histogram ol {
  list-style: none;
  margin: 0.25rem 0 0;
  padding: 0;
}
.ac-histogram li {
  align-items: center;
  display: grid;
  gap: 0.5rem;
  grid-template-columns: 8.5rem 1fr 3.5rem;
}
.ac-span {
  color: var(--ac-muted);
  white-space: nowrap;
}
.ac-bar > span {
  background: var(--chakra-colors-brand-solid, #3f5d88);
  border-radius: 2px;
  display: block;
  height: 0.75rem;
}
.dark .ac-bar > span {
  background: var(--chakra-colors-brand-400, #7da2d6);
}
.ac-number {
  font-variant-numeric: tabular-nums;
  text-align: right;
}

/* Filters, search, pages */
.ac-filters,
.ac-tools,
.ac-pages {
  align-items: center;
  display: flex;
  flex-wrap: wrap;
  gap: 0.5rem;
  margin: 0 0 0.75rem;
}
.ac-tools .ac-input[type="search"] {
  flex: 1 1 14rem;
  max-width: 28rem;
}
.ac-chip,
.ac-button,
.ac-input {
  background: var(--chakra-colors-bg-panel, white);
  border: 1px solid var(--ac-line);
  border-radius: 6px;
  color: inherit;
  font: inherit;
  min-height: 2rem;
  padding: 0.2rem 0.75rem;
}
.ac-chip {
  border-radius: 999px;
}
.ac-chip:not(:first-child)::before {
  background: var(--ac-tone);
  border-radius: 50%;
  content: "";
  display: inline-block;
  height: 0.6em;
  margin-right: 0.4em;
  width: 0.6em;
}
.ac-chip,
.ac-button,
.ac-table th button {
  cursor: pointer;
}
.ac-chip b {
  font-variant-numeric: tabular-nums;
}
.ac-chip[aria-pressed="true"] {
  background: var(--ac-brand);
  border-color: var(--ac-brand);
  color: var(--ac-on-brand);
}
.ac-button {
  align-items: center;
  display: inline-flex;
  text-decoration: none;
}
.ac-chip:not([aria-pressed="true"]):hover,
.ac-button:hover:not(:disabled) {
  background: var(--ac-bg-muted);
}
.ac-button:disabled {
  cursor: not-allowed;
  opacity: 0.5;
}
.ac-input::placeholder {
  color: var(--ac-muted);
  opacity: 1;
}
.ac-pages label {
  margin-left: auto;
}
.ac-found-rows {
  margin: 0 0 0.25rem;
  min-height: 1.4em;
}

/* Tables; on a phone each row is a card. */
.ac-scroll {
  margin-bottom: 0.75rem;
  overflow-x: auto;
}
.ac-table {
  border-collapse: collapse;
  width: 100%;
}
.ac-table[aria-busy="true"] tbody {
  opacity: 0.6;
}
.ac-table th {
  background: var(--ac-subtle);
  border-bottom: 1px solid var(--ac-line);
  font-weight: 600;
  padding: 0.35rem 0.5rem;
  text-align: left;
  white-space: nowrap;
}
.ac-table th button {
  background: none;
  border: 0;
  color: inherit;
  font: inherit;
  padding: 0;
}
.ac-table th button span {
  color: var(--ac-muted);
  margin-left: 0.3em;
}
.ac-table td {
  border-bottom: 1px solid var(--ac-border);
  overflow-wrap: anywhere;
  padding: 0.35rem 0.5rem;
  vertical-align: top;
}
.ac-table tbody tr:hover {
  background: var(--ac-subtle);
}
.ac-id {
  font-family: var(--chakra-fonts-mono, monospace);
  font-size: 0.8125rem;
  overflow-wrap: anywhere;
}
.ac-cell-key,
.ac-cell-contact {
  min-width: 9rem;
}
.ac-cell-error {
  min-width: 13rem;
}
.ac-cell-at {
  min-width: 6.5rem;
}
.ac-cell-outcome,
.ac-time {
  white-space: nowrap;
}
.ac-wide {
  min-width: 12rem;
}
.ac-done .ac-progress {
  height: 0.5rem;
  margin: 0.35rem 0 0.2rem;
}

/* One contact */
.ac-contact {
  border: 1px solid var(--ac-border);
  border-radius: 6px;
  margin-bottom: 0.75rem;
  padding: 0.75rem;
}
.ac-contact .ac-figures {
  margin-bottom: 0;
}
.ac-chain {
  margin-top: 0.75rem;
}
.ac-chain ol {
  display: flex;
  flex-wrap: wrap;
  gap: 0.25rem 0.5rem;
  list-style: none;
  margin: 0;
  padding: 0;
}
.ac-chain li + li::before {
  color: var(--ac-muted);
  content: "\u2192";
  margin-right: 0.5rem;
}
.ac-list {
  list-style: none;
  margin: 0;
  padding: 0;
}
.ac-list li {
  align-items: baseline;
  border-bottom: 1px solid var(--ac-border);
  display: flex;
  flex-wrap: wrap;
  gap: 0.25rem 0.75rem;
  padding: 0.35rem 0;
}

@container (max-width: 40rem) {
  .ac-table,
  .ac-table tbody,
  .ac-table tr,
  .ac-table td {
    display: block;
  }
  .ac-table thead,
  .ac-table th {
    display: none;
  }
  .ac-table tr {
    border: 1px solid var(--ac-border);
    border-radius: 6px;
    margin-bottom: 0.5rem;
    padding: 0.25rem 0;
  }
  .ac-table td {
    border: 0;
    display: grid;
    gap: 0.5rem;
    grid-template-columns: 6rem minmax(0, 1fr);
    min-width: 0;
    padding: 0.15rem 0.75rem;
  }
  .ac-table td[data-empty="true"] {
    display: none;
  }
  .ac-table td::before {
    color: var(--ac-muted);
    content: attr(data-title);
  }
  /* What sorts stays, as a row of buttons. */
  .ac-sorted thead {
    display: block;
  }
  .ac-sorted thead tr {
    border: 0;
    display: flex;
    flex-wrap: wrap;
    gap: 0 0.25rem;
  }
  .ac-sorted th[aria-sort] {
    border: 1px solid var(--ac-border);
    border-radius: 6px;
    display: block;
  }
  .ac-table .ac-state {
    justify-self: start;
  }
  .ac-figure {
    flex-basis: 6.5rem;
  }
  .ac-pages label {
    margin-left: 0;
  }
  .ac-tools .ac-input[type="search"] {
    max-width: none;
  }
}
@media (prefers-reduced-motion: reduce) {
  .ac-progress > span {
    transition: none;
  }
}
`;var G=w(_(),1),xt=["Contacts","Amazon Connect"],Le=new CSSStyleSheet;Le.replaceSync(We);document.adoptedStyleSheets=[...document.adoptedStyleSheets,Le];function vt({dagId:e,runId:t,taskId:n,mapIndex:a}){let o=(0,se.useRef)(null);return(0,se.useEffect)(()=>{(o.current?.getBoundingClientRect().left??0)>window.innerWidth/2&&o.current?.scrollIntoView({block:"nearest",inline:"start"})},[]),(0,G.jsx)("div",{className:"amazon-connect",ref:o,children:(0,G.jsx)(Nt,{dagId:e,mapIndex:a,runId:t,taskId:n})})}function Nt({dagId:e,runId:t,taskId:n,mapIndex:a}){if(e===void 0||t===void 0)return(0,G.jsx)(De,{dagId:e},e??"");if(n===void 0)return(0,G.jsx)(Ae,{dagId:e,runId:t},`${e} ${t}`);let o=Number.parseInt(a??"",10),r={dagId:e,runId:t,taskId:n,mapIndex:Number.isNaN(o)?-1:o};return(0,G.jsx)(Ee,{where:r},JSON.stringify(r))}for(let e of[...xt,"AirflowPlugin"])Reflect.set(globalThis,e,vt);})();
