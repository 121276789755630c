/*! airflow-provider-amazon-connect, Apache-2.0. Built from tools/ui/, sources 100178f94fa25738dd0474d4a1d2f63dea5ab43bcef08b7c69cb196f9451c347 */
"use strict";(()=>{var Ve=Object.create;var ke=Object.defineProperty;var je=Object.getOwnPropertyDescriptor;var Ge=Object.getOwnPropertyNames;var Ke=Object.getPrototypeOf,Qe=Object.prototype.hasOwnProperty;var me=(e,t)=>()=>(t||e((t={exports:{}}).exports,t),t.exports);var Xe=(e,t,n,a)=>{if(t&&typeof t=="object"||typeof t=="function")for(let s of Ge(t))!Qe.call(e,s)&&s!==n&&ke(e,s,{get:()=>t[s],enumerable:!(a=je(t,s))||a.enumerable});return e};var w=(e,t,n)=>(n=e!=null?Ve(Ke(e)):{},Xe(t||!e||!e.__esModule?ke(n,"default",{value:e,enumerable:!0}):n,e));var z=me((Pt,xe)=>{xe.exports=globalThis.React});var Ne=me((Et,ve)=>{ve.exports=globalThis.ReactRouterDOM});var R=me((Dt,Ce)=>{Ce.exports=globalThis.ReactJSXRuntime});var de=w(z(),1);var le=w(z(),1),ce=w(Ne(),1);var X=["failed","invalid","unknown","created","already_created","skipped","not_sent"],pe=class extends Error{constructor(n,a){super(a);this.status=n}};function O(e,t={}){let n=new URL(["amazon-connect","api",...e.map(encodeURIComponent)].join("/"),document.baseURI);for(let[a,s]of Object.entries(t))for(let r of Array.isArray(s)?s:[s])r!==void 0&&r!==""&&n.searchParams.append(a,String(r));return n.href}function Y(e){return["dags",e.dagId,"runs",e.runId,"tasks",e.taskId,String(e.mapIndex)]}async function _e(e,t){let n=await fetch(e,{credentials:"same-origin",headers:{Accept:"application/json"},signal:t});if(n.ok)return await n.json();let a;try{a=(await n.json()).detail}catch{a=void 0}throw new pe(n.status,Ye(n.status,a))}function Ye(e,t){switch(e){case 401:return"Your session has ended. Reload the page to log in.";case 403:return"You may not see the contacts of this Dag. Ask an administrator for read access to the task instances and XComs of this Dag.";default:return typeof t=="string"&&t!==""?t:`Airflow answered with status ${e}.`}}var F=w(z(),1);var Se=new Intl.NumberFormat("en"),Ze=new Intl.NumberFormat("en",{maximumSignificantDigits:3});function b(e){return e==null?"\u2013":Se.format(e)}function k(e,t,n=`${t}s`){return`${Se.format(e)} ${e===1?t:n}`}function D(e){return e==null?"\u2013":Ze.format(e)}function Z(e){return e==null?"\u2013":`${(e*100).toFixed(e>0&&e<.1?1:0)} %`}function C(e){return e.replaceAll("_"," ")}var Re=[[86400,"d"],[3600,"h"],[60,"min"],[1,"s"]];function v(e){if(e==null)return"\u2013";let t=Math.max(0,Math.round(e)),n=Re.findIndex(([s])=>t>=s);if(n<0)return"0 s";let a=[];for(let[s,r]of Re.slice(n,n+2)){let l=Math.floor(t/s);t-=l*s,l>0&&a.push(`${l} ${r}`)}return a.join(" ")}function J(e,t){return e===null?null:((t===null?Date.now():Date.parse(t))-Date.parse(e))/1e3}function Je(){let e=localStorage.getItem("timezone");return e===null||e==="local"?void 0:e}function Te(e,t){let n=new Date(e);try{return new Intl.DateTimeFormat("sv-SE",{...t,timeZone:Je()}).format(n)}catch{return new Intl.DateTimeFormat("sv-SE",t).format(n)}}function $(e){return e===null?"\u2013":Te(e,{dateStyle:"short",timeStyle:"medium"})}function U(e){return Te(e,{timeStyle:"medium"})}var p=w(R(),1),et={created:"good",already_created:"good",completed:"good",success:"good",failed:"bad",invalid:"bad",upstream_failed:"bad",unknown:"doubt",up_for_retry:"doubt",expired:"doubt",not_answered:"doubt",busy:"doubt",open:"busy",running:"busy",queued:"busy",deferred:"busy",transferred:"busy"};function ee(e){return et[e]??"quiet"}function E({state:e}){return e===null?(0,p.jsx)("span",{className:"ac-muted",children:"no status"}):(0,p.jsx)("span",{className:`ac-state ac-${ee(e)}`,children:C(e)})}function I({children:e,bad:t=!1}){return(0,p.jsx)("p",{className:t?"ac-notice ac-notice-bad":"ac-notice",role:t?"alert":"note",children:e.split("`").map((n,a)=>a%2===1?(0,p.jsx)("code",{children:n},a):n)})}function $e({children:e,name:t}){let[n,a]=(0,F.useState)(!1),[s,r]=(0,F.useState)(!1),l=(0,F.useRef)(null);return(0,F.useEffect)(()=>{let d=l.current;if(d===null||n)return;let f=new ResizeObserver(()=>r(d.scrollHeight>d.clientHeight+1));return f.observe(d),()=>f.disconnect()},[e,n]),(0,p.jsxs)("div",{children:[(0,p.jsx)("div",{className:n?"":"ac-clamped",ref:l,children:e}),s?(0,p.jsxs)("button",{className:"ac-more",onClick:()=>a(!n),type:"button",children:[n?"Show less":"Show all",(0,p.jsxs)("span",{className:"ac-unseen",children:[" of the ",t]})]}):null]})}function L(){return(0,p.jsx)("p",{className:"ac-muted",role:"status",children:"Loading \u2026"})}function q({id:e,url:t}){return e===null?(0,p.jsx)("span",{className:"ac-muted",children:"\u2013"}):tt(t)?(0,p.jsx)("a",{className:"ac-id",href:t,rel:"noopener noreferrer",target:"_blank",title:"Open the contact's page",children:e}):(0,p.jsx)("span",{className:"ac-id",children:e})}function tt(e){return e!==null&&/^https?:\/\//i.test(e)}function Ie(e,t,n,a){let s=a<0?"":`/mapped/${a}`;return`${ge(e,t,"")}/tasks/${encodeURIComponent(n)}${s}/plugin/contacts`}function ge(e,t,n="/plugin/contacts-run"){return`/dags/${encodeURIComponent(e)}/runs/${encodeURIComponent(t)}${n}`}function fe({counts:e,done:t,total:n}){let a=n>0?t/n:1,s=e===null?[{state:"created",part:a}]:X.filter(r=>r!=="not_sent").map(r=>({state:r,part:(e[r]??0)/Math.max(e.rows,1)}));return(0,p.jsx)("div",{"aria-label":"Rows done","aria-valuemax":n,"aria-valuemin":0,"aria-valuenow":t,"aria-valuetext":`${b(t)} of ${k(n,"row")}`,className:"ac-progress",role:"progressbar",children:s.map(({state:r,part:l})=>l>0?(0,p.jsx)("span",{className:`ac-${ee(r)}`,style:{width:`${l*100}%`}},r):null)})}function be({counts:e}){if(e===null)return(0,p.jsx)("span",{className:"ac-muted",children:"\u2013"});let t=e.rows-(e.not_sent??0),n=X.slice(0,3).filter(a=>(e[a]??0)>0);return(0,p.jsxs)("div",{className:"ac-done",children:[(0,p.jsx)(fe,{counts:e,done:t,total:e.rows}),(0,p.jsxs)("span",{className:"ac-facts",children:[(0,p.jsxs)("span",{children:[b(t)," of ",b(e.rows)]}),n.map(a=>(0,p.jsxs)("span",{className:`ac-fault ac-${ee(a)}-text`,children:[b(e[a])," ",C(a)]},a))]})]})}function Pe({task:e}){return e.counts!==null?(0,p.jsx)(be,{counts:e.counts}):e.contact===null?(0,p.jsx)("span",{className:"ac-muted",children:"\u2013"}):(0,p.jsx)(nt,{contact:e.contact})}function nt({contact:e}){return(0,p.jsxs)("span",{className:"ac-brief",children:[(0,p.jsx)(E,{state:e.state})," ",(0,p.jsx)(q,{id:e.contact_id,url:e.url})]})}function N({name:e,children:t,more:n}){return(0,p.jsxs)("div",{className:"ac-figure",children:[(0,p.jsx)("dt",{children:e}),(0,p.jsxs)("dd",{children:[t,n===void 0?null:(0,p.jsx)("small",{children:n})]})]})}var V=w(z(),1);var at=60,re=60;function W(e,t){let[n,a]=(0,V.useState)({url:e,data:null,error:null,waits:!0}),s=(0,V.useRef)(t);return s.current=t,(0,V.useEffect)(()=>{let r=new AbortController,l,d=0,f=!1;async function u(){if(l=void 0,f=document.hidden,f)return;let x;try{let y=await _e(e,r.signal);d=0,x=s.current(y),a({url:e,data:y,error:null,waits:!1})}catch(y){if(r.signal.aborted)return;d+=1,x=Math.min(2**d*2,at),a(_=>({..._,url:e,error:y,waits:!1}))}x!==null&&!r.signal.aborted&&(l=window.setTimeout(u,x*1e3))}function P(){!document.hidden&&f&&u()}return document.addEventListener("visibilitychange",P),u(),()=>{r.abort(),window.clearTimeout(l),document.removeEventListener("visibilitychange",P)}},[e]),n.url===e?n:{...n,error:null,waits:!0}}var G=w(z(),1);var g=w(R(),1),oe=130,j=34,se=8,Ee=8,rt=22;function ot(e){let t=10**Math.floor(Math.log10(e));return([1,2,5,10].find(n=>n*t>=e)??10)*t}function st(){let[e,t]=(0,G.useState)(600),n=(0,G.useRef)(null);return[(0,G.useRef)(s=>{n.current?.disconnect(),s!==null&&(n.current=new ResizeObserver(([r])=>t(Math.max(200,Math.round(r?.contentRect.width??600)))),n.current.observe(s))}).current,e]}function ze({series:e,found:t}){let[n,a]=(0,G.useState)(null),[s,r]=st(),l=e.filter(m=>m.rate!==null),[d,f]=[l[0],l.at(-1)];if(d===void 0||f===void 0||l.length<2)return null;let[u,P]=[Date.parse(d.at),Date.parse(f.at)],x=ot(Math.max(...l.map(m=>m.rate??0),t??0,.1)),y=m=>j+(Date.parse(m.at)-u)/Math.max(P-u,1)*(r-j-se),_=m=>Ee+(1-m)*(oe-Ee-rt),S=l.map(m=>`${y(m).toFixed(1)},${_((m.rate??0)/x).toFixed(1)}`).join(" "),T=n===null?void 0:l[n],B=Math.max(...l.map(m=>m.throttled??0));function A(m){let H=m.currentTarget.getBoundingClientRect(),ne=(m.clientX-H.left)/H.width*r,ae=l.map(h=>Math.abs(y(h)-ne));a(ae.indexOf(Math.min(...ae)))}return(0,g.jsxs)("figure",{className:"ac-chart",ref:s,children:[(0,g.jsxs)("figcaption",{children:[(0,g.jsx)("span",{className:"ac-key ac-key-rate",children:"Contacts a second"}),(0,g.jsx)("span",{className:"ac-key ac-key-throttled",children:"Throttled share"}),t===null?null:(0,g.jsx)("span",{className:"ac-key ac-key-found",children:"Pace"}),(0,g.jsx)("span",{className:"ac-pointed",children:T===void 0?"":`${U(T.at)}: ${D(T.rate)} a second, ${Z(T.throttled)} throttled`})]}),(0,g.jsxs)("svg",{"aria-label":`Rate from ${U(d.at)} to ${U(f.at)}: ${D(f.rate)} contacts a second at the end, at most ${D(Math.max(...l.map(m=>m.rate??0)))}; at most ${Z(B)} of the calls were throttled.`,onPointerLeave:()=>a(null),onPointerMove:A,role:"img",viewBox:`0 0 ${r} ${oe}`,children:[[0,.5,1].map(m=>(0,g.jsxs)("g",{children:[(0,g.jsx)("line",{className:"ac-grid",x1:j,x2:r-se,y1:_(m),y2:_(m)}),(0,g.jsx)("text",{className:"ac-tick",textAnchor:"end",x:j-5,y:_(m)+4,children:D(m*x)})]},m)),l.map((m,H)=>(m.throttled??0)>0?(0,g.jsx)("line",{className:"ac-throttled",x1:y(m),x2:y(m),y1:_(0),y2:_(Math.min(1,m.throttled??0))},H):null),t===null?null:(0,g.jsx)("line",{className:"ac-found",x1:j,x2:r-se,y1:_(t/x),y2:_(t/x)}),(0,g.jsx)("polyline",{className:"ac-rate",points:S}),T===void 0?null:(0,g.jsx)("circle",{className:"ac-point",cx:y(T),cy:_((T.rate??0)/x),r:4}),(0,g.jsx)("text",{className:"ac-tick",x:j,y:oe-6,children:U(d.at)}),(0,g.jsx)("text",{className:"ac-tick",textAnchor:"end",x:r-se,y:oe-6,children:U(f.at)})]})]})}function he({title:e,spread:t}){let n=Math.max(...t.buckets.map(a=>a.count),1);return(0,g.jsxs)("figure",{className:"ac-histogram",children:[(0,g.jsxs)("figcaption",{children:[e," ",(0,g.jsx)("span",{className:"ac-muted",children:t.median===null?"":`median ${v(t.median)}`})]}),(0,g.jsx)("ol",{children:t.buckets.map(a=>(0,g.jsxs)("li",{children:[(0,g.jsx)("span",{className:"ac-span",children:a.to===null?`over ${v(a.from)}`:a.from===0?`under ${v(a.to)}`:`${v(a.from)} to ${v(a.to)}`}),(0,g.jsx)("span",{className:"ac-bar",children:(0,g.jsx)("span",{style:{width:`${a.count/n*100}%`}})}),(0,g.jsx)("span",{className:"ac-number","aria-label":k(a.count,"contact"),children:a.count})]},a.from))})]})}var M=w(z(),1);var ie=w(z(),1),we="contacts_";function Oe(){let[e,t]=(0,ie.useState)(()=>window.location.search),n=new URLSearchParams(e),a=r=>n.get(we+r)??"",s=(0,ie.useCallback)(r=>{let l=new URL(window.location.href);for(let[d,f]of Object.entries(r))f===""?l.searchParams.delete(we+d):l.searchParams.set(we+d,f);window.history.replaceState(window.history.state,"",l),t(l.search)},[]);return[a,s]}var c=w(R(),1),it=3,De=["25","50","100","200"],lt=[{name:"row",title:"Row",sort:"row",cell:e=>b(e.row)},{name:"key",title:"Key",sort:"key",cell:e=>e.key??"\u2013"},{name:"state",title:"State",sort:"state",cell:e=>(0,c.jsx)(E,{state:e.state})},{name:"contact",title:"Contact",sort:null,cell:e=>(0,c.jsx)(q,{id:e.contact_id,url:e.url})},{name:"attempts",title:"Attempts",sort:"attempts",cell:e=>b(e.attempts)},{name:"at",title:"Time",sort:"at",cell:e=>(0,c.jsx)("time",{dateTime:e.at??void 0,children:$(e.at)})},{name:"error",title:"Error",sort:null,cell:ct},{name:"outcome",title:"Outcome",sort:"outcome",cell:dt}];function ct(e){return e.error===null?"":(0,c.jsx)($e,{name:`error of row ${b(e.row)}`,children:e.error})}function dt(e){return e.outcome===null?e.transferred_to===null?"":(0,c.jsx)("span",{title:`Transferred to ${e.transferred_to}`,children:"transferred"}):C(e.outcome)}function Me({where:e,counts:t,refresh:n,withOutcomes:a,changed:s}){let[r,l]=Oe(),[d,f,u,P]=[r("state"),r("q"),r("sort"),r("order")],x=De.includes(r("size"))?r("size"):"25",y=Math.max(1,Math.floor(Number(r("page")))||1),_=O([...Y(e),"contacts"],{state:d.split(",").filter(h=>h!==""),outcome:r("outcome"),q:f,sort:u,order:u===""?"":P,limit:x,offset:(y-1)*Number(x)||void 0,at:s}),{data:S,error:T,waits:B}=W(_,h=>h.building?it:n),A=S===null?y:Math.max(1,Math.ceil(S.matching/Number(x))),m=(0,M.useId)();(0,M.useEffect)(()=>{!B&&y>A&&l({page:A===1?"":String(A)})},[B,y,A,l]);let H=[S?.show_keys===!0?"":"key",a?"":"outcome"],ne=lt.filter(h=>!H.includes(h.name));function ae(h){l({sort:u===h&&P==="desc"?"":h,order:u===h&&P!=="desc"?"desc":"",page:""})}return(0,c.jsxs)("section",{"aria-labelledby":m,className:"ac-section",children:[(0,c.jsx)("h3",{id:m,children:"Contacts"}),(0,c.jsx)(mt,{counts:t,states:d,toggle:h=>l({state:h,page:""})}),(0,c.jsxs)("div",{className:"ac-tools",children:[(0,c.jsx)(pt,{found:f,search:h=>l({q:h,page:""}),showKeys:S?.show_keys===!0}),(0,c.jsx)("a",{className:"ac-button",download:!0,href:O([...Y(e),"failed.csv"]),children:"Download failed rows"})]}),T===null?null:(0,c.jsx)(I,{bad:!0,children:T.message}),S?.notice?(0,c.jsx)(I,{children:S.notice}):null,(0,c.jsx)("p",{"aria-live":"polite",className:"ac-muted ac-found-rows",children:S===null?"":ut(S,d,f,B)}),S===null?T===null?(0,c.jsx)(L,{}):null:(0,c.jsxs)(c.Fragment,{children:[(0,c.jsx)("div",{"aria-label":"Table of contacts",className:"ac-scroll",role:"region",tabIndex:0,children:(0,c.jsxs)("table",{"aria-busy":B,"aria-labelledby":m,className:"ac-table ac-sorted",role:"table",children:[(0,c.jsx)("thead",{role:"rowgroup",children:(0,c.jsx)("tr",{role:"row",children:ne.map(h=>(0,c.jsx)(gt,{column:h,order:P,sort:u,sortBy:ae},h.name))})}),(0,c.jsx)("tbody",{role:"rowgroup",children:S.rows.map(h=>(0,c.jsx)("tr",{role:"row",children:ne.map(Q=>{let ue=Q.cell(h);return(0,c.jsx)("td",{className:`ac-cell-${Q.name}`,"data-empty":ue==="","data-title":Q.title,role:"cell",children:ue},Q.name)})},`${h.map_index} ${h.row}`))})]})}),(0,c.jsx)(ft,{last:A,page:y,set:l,size:x})]})]})}function ut(e,t,n,a){return a?"Loading \u2026":e.building?"The record is being read \u2026":e.total===0?"No rows are on record yet.":t!==""||n!==""||e.matching!==e.total?`${b(e.matching)} of ${k(e.total,"row")} match`:`${k(e.total,"row")} on record`}function mt({counts:e,states:t,toggle:n}){let a=t.split(",").filter(r=>r!==""),s=X.filter(r=>e===null||(e[r]??0)>0||a.includes(r));return(0,c.jsxs)("div",{"aria-label":"Filter by state",className:"ac-filters",role:"group",children:[(0,c.jsxs)("button",{"aria-pressed":a.length===0,className:"ac-chip",onClick:()=>n(""),type:"button",children:["all ",(0,c.jsx)("b",{children:e===null?"":b(e.rows)})]}),s.map(r=>{let l=a.includes(r),d=l?a.filter(f=>f!==r):[...a,r];return(0,c.jsxs)("button",{"aria-pressed":l,className:`ac-chip ac-${ee(r)}`,onClick:()=>n(d.join(",")),type:"button",children:[C(r)," ",(0,c.jsx)("b",{children:e===null?"":b(e[r]??0)})]},r)})]})}function pt({found:e,search:t,showKeys:n}){let[a,s]=(0,M.useState)(e);(0,M.useEffect)(()=>s(e),[e]),(0,M.useEffect)(()=>{if(a===e)return;let l=window.setTimeout(()=>t(a.trim()),400);return()=>window.clearTimeout(l)},[a,e,t]);let r=n?"Row, key, contact ID or error":"Row, contact ID or error";return(0,c.jsx)("input",{"aria-label":`Search: ${r.toLowerCase()}`,className:"ac-input",maxLength:200,onChange:l=>s(l.target.value),placeholder:r,type:"search",value:a})}function gt({column:e,sort:t,order:n,sortBy:a}){let{sort:s}=e;if(s===null)return(0,c.jsx)("th",{role:"columnheader",scope:"col",children:e.title});let r=t!==s?"none":n==="desc"?"descending":"ascending";return(0,c.jsx)("th",{"aria-sort":r,role:"columnheader",scope:"col",children:(0,c.jsxs)("button",{onClick:()=>a(s),type:"button",children:[e.title,(0,c.jsx)("span",{"aria-hidden":"true",children:{none:"\u2195",ascending:"\u2191",descending:"\u2193"}[r]})]})})}function ft({page:e,last:t,size:n,set:a}){let s=r=>a({page:r===1?"":String(r)});return(0,c.jsxs)("nav",{"aria-label":"Pages of contacts",className:"ac-pages",children:[(0,c.jsx)("button",{className:"ac-button",disabled:e<=1,onClick:()=>s(e-1),type:"button",children:"Previous"}),(0,c.jsxs)("span",{children:["Page ",b(Math.min(e,t))," of ",b(t)]}),(0,c.jsx)("button",{className:"ac-button",disabled:e>=t,onClick:()=>s(e+1),type:"button",children:"Next"}),(0,c.jsxs)("label",{children:["Rows on a page"," ",(0,c.jsx)("select",{className:"ac-input",onChange:r=>a({size:r.target.value,page:""}),value:n,children:De.map(r=>(0,c.jsx)("option",{children:r},r))})]})]})}var o=w(R(),1);function Ae({where:e}){let{data:t,error:n}=W(O(Y(e)),a=>a.refresh_seconds??re);return t===null?n===null?(0,o.jsx)(L,{}):(0,o.jsx)(I,{bad:!0,children:n.message}):(0,o.jsxs)(o.Fragment,{children:[n===null?null:(0,o.jsx)(I,{bad:!0,children:`${n.message} This page shows the state before that.`}),t.notice===null?null:(0,o.jsx)(I,{children:t.notice}),t.kind==="other"?(0,o.jsx)(te,{children:"This task does not create or change contacts."}):(0,o.jsxs)(o.Fragment,{children:[t.progress!==null||t.counts!==null?(0,o.jsx)(ht,{task:t}):null,t.branch===null?null:(0,o.jsx)(xt,{tasks:t.branch.followed}),t.contacts.length===0?null:(0,o.jsx)(vt,{contacts:t.contacts}),t.outcomes===null?null:(0,o.jsx)(wt,{outcomes:t.outcomes}),t.changes.length===0?null:(0,o.jsx)(yt,{changes:t.changes}),t.has_contacts?(0,o.jsx)(Me,{changed:`${t.try_number}${t.refresh_seconds===null?"e":""}`,counts:t.counts,refresh:t.refresh_seconds,where:e,withOutcomes:t.outcomes!==null}):null,bt(t)?(0,o.jsx)(te,{children:"The contacts of this task are not known yet."}):null]})]})}function bt(e){return e.progress===null&&e.counts===null&&e.contacts.length===0&&e.changes.length===0&&!e.has_contacts&&e.notice===null}function te({children:e}){return(0,o.jsx)("p",{className:"ac-empty",children:e})}function ht({task:e}){let{progress:t,counts:n}=e,a=t?.total??n?.rows??0,s=t?.done??a-(n?.not_sent??0);if(t?.phase==="checking"||n===null&&(t?.total??null)===null)return(0,o.jsx)("section",{"aria-label":"Progress",className:"ac-section",children:(0,o.jsx)("p",{role:"status",children:t?.line??"The rows are being read and checked."})});let r=e.refresh_seconds!==null&&e.ended===null;return(0,o.jsxs)("section",{"aria-label":"Progress",className:"ac-section",children:[(0,o.jsxs)("div",{className:"ac-headline",children:[(0,o.jsxs)("strong",{children:[b(s)," of ",k(a,"row")," done"]}),(0,o.jsx)("span",{className:"ac-muted",children:r?t?.seconds_left===null||t===null?"":`about ${v(t.seconds_left)} left`:`took ${v(J(e.started,e.ended))}`})]}),(0,o.jsx)(fe,{counts:n,done:s,total:a}),t===null?null:(0,o.jsxs)("dl",{className:"ac-figures",children:[(0,o.jsx)(N,{more:"contacts a second",name:r?"Rate now":"Rate",children:D(t.rate)}),(0,o.jsx)(N,{more:"calls a second",name:"Pace",children:D(t.rate_found)}),(0,o.jsx)(N,{more:"of the calls",name:"Throttled",children:Z(t.throttled_share)}),(0,o.jsx)(N,{name:"As of",children:$(t.at)})]}),(0,o.jsx)(ze,{found:t?.rate_found??null,series:e.series})]})}function wt({outcomes:e}){let t=Object.entries(e.states).filter(([,a])=>a>0),n=Object.entries(e.decisions??{}).filter(([,a])=>a>0);return(0,o.jsxs)("section",{"aria-label":"Outcomes",className:"ac-section",children:[(0,o.jsx)("h3",{children:"Outcomes"}),(0,o.jsxs)("dl",{className:"ac-figures",children:[(0,o.jsx)(N,{more:`of ${k(e.contacts,"contact")}`,name:"Open",children:b(e.open)}),n.map(([a,s])=>(0,o.jsx)(N,{more:"decided",name:a,children:b(s)},`decision ${a}`)),t.map(([a,s])=>(0,o.jsx)(N,{name:C(a),children:b(s)},a))]}),(0,o.jsxs)("div",{className:"ac-histograms",children:[e.wait===null||e.wait.count===0?null:(0,o.jsx)(he,{spread:e.wait,title:"Time until an agent took it"}),e.handle===null||e.handle.count===0?null:(0,o.jsx)(he,{spread:e.handle,title:"Time from then to the end"})]})]})}function yt({changes:e}){return(0,o.jsxs)("section",{"aria-label":"Changes by later tasks",className:"ac-section",children:[(0,o.jsx)("h3",{children:"Changes by later tasks"}),(0,o.jsx)("ul",{className:"ac-list",children:e.map(t=>(0,o.jsxs)("li",{children:[(0,o.jsx)(E,{state:t.state}),(0,o.jsxs)("b",{children:[t.task_id,t.map_index<0?"":` [${t.map_index}]`]}),(0,o.jsx)("span",{children:kt(t)}),(0,o.jsx)("span",{className:"ac-muted",children:$(t.at)})]},`${t.task_id} ${t.map_index}`))})]})}function kt(e){let t=[];return e.done!==null&&t.push(`${k(e.done,"contact")} ${C(e.what)}`),e.already_ended&&t.push(`${b(e.already_ended)} had already ended`),e.failed&&t.push(`${b(e.failed)} failed`),t.length===0?C(e.what):t.join(", ")}function xt({tasks:e}){return(0,o.jsxs)("section",{"aria-label":"Branch",className:"ac-section",children:[(0,o.jsx)("h3",{children:"Branch"}),(0,o.jsx)("p",{children:e.length===0?"No task follows.":`The Dag continues with ${e.join(", ")}.`})]})}function vt({contacts:e}){return(0,o.jsxs)("section",{"aria-label":e.length===1?"Contact":"Contacts",className:"ac-section",children:[(0,o.jsx)("h3",{children:e.length===1?"Contact":k(e.length,"contact")}),e.map(t=>(0,o.jsx)(Nt,{contact:t},t.contact_id))]})}function Nt({contact:e}){let t=e.state==="open"&&e.connected_to_agent===null;return(0,o.jsxs)("article",{className:"ac-contact",children:[(0,o.jsxs)("div",{className:"ac-headline",children:[(0,o.jsx)(E,{state:e.state}),(0,o.jsx)(q,{id:e.contact_id,url:e.url})]}),(0,o.jsxs)("dl",{className:"ac-figures",children:[(0,o.jsx)(N,{name:"Created",children:$(e.created)}),e.waited_seconds===null?null:(0,o.jsx)(N,{name:t?"Waiting for":"Waited",children:v(e.waited_seconds)}),e.agent_id===null&&!t?null:(0,o.jsx)(N,{more:e.connected_to_agent===null?void 0:$(e.connected_to_agent),name:"Taken by",children:e.agent_id??"nobody yet"}),e.queue_id===null?null:(0,o.jsx)(N,{name:"Queue",children:e.queue_id}),e.ended===null?null:(0,o.jsx)(N,{more:e.disconnect_reason===null?void 0:C(e.disconnect_reason).toLowerCase(),name:"Ended",children:$(e.ended)}),e.handle_seconds===null?null:(0,o.jsx)(N,{name:"Handled in",children:v(e.handle_seconds)})]}),e.chain.length<2?null:(0,o.jsxs)("div",{className:"ac-chain",children:[(0,o.jsx)("span",{className:"ac-muted",children:"Transfers"}),(0,o.jsx)("ol",{children:e.chain.map(n=>(0,o.jsx)("li",{children:(0,o.jsx)(q,{id:n.contact_id,url:n.url})},n.contact_id))})]})]})}var i=w(R(),1),_t=15,ye=100,Fe=25;function Le({dagId:e,runId:t}){let[n,a]=(0,le.useState)(0),s=O(["dags",e,"runs",t],{limit:ye,offset:n||void 0}),{data:r,error:l}=W(s,d=>d.refresh_seconds??re);return r===null?l===null?(0,i.jsx)(L,{}):(0,i.jsx)(I,{bad:!0,children:l.message}):(0,i.jsxs)("section",{"aria-label":"Tasks with contacts",className:"ac-section",children:[l===null?null:(0,i.jsx)(I,{bad:!0,children:l.message}),r.tasks.length===0?(0,i.jsx)(te,{children:"No task of this run creates or changes contacts."}):(0,i.jsx)(Be,{columns:["Task","State","Contacts","Started","Duration"],children:r.tasks.map(d=>(0,i.jsxs)("tr",{role:"row",children:[(0,i.jsx)("td",{"data-title":"Task",role:"cell",children:(0,i.jsxs)(ce.Link,{to:Ie(e,t,d.task_id,d.map_index),children:[d.task_id,d.map_index<0?"":` [${d.label??d.map_index}]`]})}),(0,i.jsx)("td",{"data-title":"State",role:"cell",children:(0,i.jsx)(E,{state:d.state})}),(0,i.jsx)("td",{className:"ac-wide","data-title":"Contacts",role:"cell",children:(0,i.jsx)(Pe,{task:d})}),(0,i.jsx)("td",{className:"ac-time","data-title":"Started",role:"cell",children:$(d.started)}),(0,i.jsx)("td",{className:"ac-time","data-title":"Duration",role:"cell",children:v(J(d.started,d.ended))})]},`${d.task_id} ${d.map_index}`))}),(0,i.jsx)(He,{from:n,go:a,hasMore:n+ye<r.total,size:ye,what:`${k(r.total,"task instance")} with contacts`})]})}var Rt=[1,7,30,90];function We({dagId:e}){let[t,n]=(0,le.useState)(7),[a,s]=(0,le.useState)(0),l=O(e===void 0?["runs"]:["dags",e,"runs"],{days:t,limit:Fe,offset:a||void 0}),{data:d,error:f}=W(l,()=>_t);return(0,i.jsxs)("section",{"aria-label":"Runs with contacts",className:"ac-section",children:[e===void 0?(0,i.jsx)("h2",{children:"Contacts of Amazon Connect"}):null,(0,i.jsxs)("label",{className:"ac-tools",children:[(0,i.jsx)("span",{children:"Runs of the last"}),(0,i.jsx)("select",{className:"ac-input",onChange:u=>{n(Number(u.target.value)),s(0)},value:t,children:Rt.map(u=>(0,i.jsx)("option",{value:u,children:k(u,"day")},u))})]}),f===null?null:(0,i.jsx)(I,{bad:!0,children:f.message}),d===null?f===null?(0,i.jsx)(L,{}):null:d.runs.length===0&&a===0?(0,i.jsx)(te,{children:`No run of the last ${k(t,"day")} created or changed contacts.`}):(0,i.jsxs)(i.Fragment,{children:[(0,i.jsx)(Be,{columns:[...e===void 0?["Dag"]:[],"Run","State","Rows done","Tasks","Started","Duration"],children:d.runs.map(u=>(0,i.jsxs)("tr",{role:"row",children:[e===void 0?(0,i.jsx)("td",{"data-title":"Dag",role:"cell",children:(0,i.jsx)(ce.Link,{to:`/dags/${encodeURIComponent(u.dag_id)}/plugin/contacts-dag`,children:u.dag_id})}):null,(0,i.jsx)("td",{"data-title":"Run",role:"cell",children:(0,i.jsx)(ce.Link,{to:ge(u.dag_id,u.run_id),children:u.run_id})}),(0,i.jsx)("td",{"data-title":"State",role:"cell",children:(0,i.jsx)(E,{state:u.state})}),(0,i.jsx)("td",{className:"ac-wide","data-title":"Rows done",role:"cell",children:(0,i.jsx)(be,{counts:u.counts})}),(0,i.jsx)("td",{"data-title":"Tasks",role:"cell",children:(0,i.jsxs)("span",{className:"ac-facts",children:[(0,i.jsx)("span",{children:b(u.tasks)}),u.failed_tasks>0?(0,i.jsxs)("span",{className:"ac-fault ac-bad-text",children:[b(u.failed_tasks)," failed"]}):null]})}),(0,i.jsx)("td",{className:"ac-time","data-title":"Started",role:"cell",children:$(u.started)}),(0,i.jsx)("td",{className:"ac-time","data-title":"Duration",role:"cell",children:v(J(u.started,u.ended))})]},`${u.dag_id} ${u.run_id}`))}),(0,i.jsx)(He,{from:a,go:s,hasMore:d.has_more,size:Fe,what:""})]})]})}function Be({columns:e,children:t}){return(0,i.jsx)("div",{className:"ac-scroll",children:(0,i.jsxs)("table",{className:"ac-table",role:"table",children:[(0,i.jsx)("thead",{role:"rowgroup",children:(0,i.jsx)("tr",{role:"row",children:e.map(n=>(0,i.jsx)("th",{role:"columnheader",scope:"col",children:n},n))})}),(0,i.jsx)("tbody",{role:"rowgroup",children:t})]})})}function He({from:e,size:t,hasMore:n,go:a,what:s}){return e===0&&!n?s===""?null:(0,i.jsx)("p",{className:"ac-muted",children:s}):(0,i.jsxs)("nav",{"aria-label":"Pages",className:"ac-pages",children:[(0,i.jsx)("button",{className:"ac-button",disabled:e===0,onClick:()=>a(Math.max(0,e-t)),type:"button",children:"Previous"}),(0,i.jsx)("button",{className:"ac-button",disabled:!n,onClick:()=>a(e+t),type:"button",children:"Next"}),(0,i.jsx)("span",{className:"ac-muted",children:s})]})}var Ue=`/* The colours are Airflow's own: its theme defines these variables for light and for dark, on 3.1 to 3.3. */
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
.ac-key-found::before {
  background: repeating-linear-gradient(90deg, var(--ac-key) 0 4px, transparent 4px 8px);
  height: 2px;
  vertical-align: middle;
  width: 1.25em;
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
  min-width: 8rem;
}
.ac-cell-error {
  min-width: 12rem;
}
.ac-cell-at {
  min-width: 6.5rem;
}
.ac-clamped {
  -webkit-box-orient: vertical;
  -webkit-line-clamp: 3;
  display: -webkit-box;
  overflow: hidden;
}
.ac-more {
  background: none;
  border: 0;
  color: var(--ac-link);
  cursor: pointer;
  font: inherit;
  padding: 0;
  position: relative;
}
.ac-more:hover {
  text-decoration: underline;
  text-underline-offset: 3px;
}
/* For a screen reader alone. */
.ac-unseen {
  clip-path: inset(50%);
  height: 1px;
  overflow: hidden;
  position: absolute;
  white-space: nowrap;
  width: 1px;
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
`;var K=w(R(),1),Tt="Contacts",qe=new CSSStyleSheet;qe.replaceSync(Ue);document.adoptedStyleSheets=[...document.adoptedStyleSheets,qe];function Ct({dagId:e,runId:t,taskId:n,mapIndex:a}){let s=(0,de.useRef)(null);return(0,de.useEffect)(()=>{(s.current?.getBoundingClientRect().left??0)>window.innerWidth/2&&s.current?.scrollIntoView({block:"nearest",inline:"start"})},[]),(0,K.jsx)("div",{className:"amazon-connect",ref:s,children:(0,K.jsx)($t,{dagId:e,mapIndex:a,runId:t,taskId:n})})}function $t({dagId:e,runId:t,taskId:n,mapIndex:a}){if(e===void 0||t===void 0)return(0,K.jsx)(We,{dagId:e},e??"");if(n===void 0)return(0,K.jsx)(Le,{dagId:e,runId:t},`${e} ${t}`);let s=Number.parseInt(a??"",10),r={dagId:e,runId:t,taskId:n,mapIndex:Number.isNaN(s)?-1:s};return(0,K.jsx)(Ae,{where:r},JSON.stringify(r))}for(let e of[Tt,"AirflowPlugin"])Reflect.set(globalThis,e,Ct);})();
