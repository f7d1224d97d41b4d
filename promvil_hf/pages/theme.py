# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How pages look: one style sheet for phone, desktop, dark rooms and paper, with no font or file from elsewhere.

Everything is set from a few custom properties, so that the contrast test can read the very colours a page uses.
Floor 2: standard library only.
"""

from promvil_hf.pages.colours import MARKS, SERIES_DARK, SERIES_LIGHT, ink_on


LIGHT = {
    "paper": "#faf9f6",
    "surface": "#ffffff",
    "sunken": "#f1efea",
    "line": "#dedad2",
    "control": "#8b8578",
    "ink": "#1f2328",
    "muted": "#5c6068",
    "accent": "#0a5a9c",
    "on-accent": "#ffffff",
    "done": "#00704f",
    "warn": "#8a4b00",
    "highlight": "#ffe9a8",
}
DARK = {
    "paper": "#121417",
    "surface": "#1a1d21",
    "sunken": "#22262b",
    "line": "#33383f",
    "control": "#7d848e",
    "ink": "#e9e7e2",
    "muted": "#a5abb4",
    "accent": "#7fbdf5",
    "on-accent": "#0d1a26",
    "done": "#4fd1a5",
    "warn": "#f2b25c",
    "highlight": "#5a4a12",
}


def style_sheet() -> str:
    """The style sheet of every page."""
    light = _properties(LIGHT, SERIES_LIGHT)
    dark = _properties(DARK, SERIES_DARK)
    marks = "".join(
        f".m{i}{{--mark:{colour};--mark-ink:{ink_on(colour)}}}.s{i}{{--series:var(--series-{i})}}"
        for i, colour in enumerate(MARKS)
    )
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f"{_CHART_RULES}{_RULES}{marks}"
        f"@media print{{:root{{color-scheme:light;{light}}}{_PRINT}}}"
    )


def chart_style_sheet() -> str:
    """The style sheet of a chart that stands in a file of its own."""
    light, dark = _properties(LIGHT, SERIES_LIGHT), _properties(DARK, SERIES_DARK)
    series = "".join(f".s{i}{{--series:var(--series-{i})}}" for i in range(len(SERIES_LIGHT)))
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}{_CHART_RULES}{series}"


def _properties(colours: dict[str, str], series: tuple[str, ...]) -> str:
    named = {**colours, **{f"series-{i}": colour for i, colour in enumerate(series)}}
    return "".join(f"--{name}:{colour};" for name, colour in named.items())


# What draws a chart, with nothing that lays out a page: a chart in a file of its own needs it too.
_CHART_RULES = """
.chart text{font-size:11px;fill:var(--muted);font-family:inherit;font-variant-numeric:tabular-nums}
.chart .axis{stroke:var(--control);stroke-width:1}
.chart .rule{stroke:var(--line);stroke-width:1}
.chart .curve{fill:none;stroke:var(--series);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.chart .whisker{stroke:var(--series);stroke-width:1.5;fill:none}
.chart .band{fill:var(--series);fill-opacity:.16;stroke:none}
.chart .point,.legend .point{fill:var(--series);stroke:var(--paper);stroke-width:1.5}
.legend .curve{fill:none;stroke:var(--series);stroke-width:2}
.chart .ring{fill:none;stroke:var(--ink);stroke-width:2;vector-effect:non-scaling-stroke}
.chart .ring-casing{fill:none;stroke:var(--paper);stroke-width:4.5;vector-effect:non-scaling-stroke}
.chart .missing{fill:var(--sunken)}
"""

_RULES = """
*,*::before,*::after{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-padding-top:1rem;scroll-padding-bottom:6rem}
body{margin:0;background:var(--paper);color:var(--ink);font:400 1rem/1.6 -apple-system,"Segoe UI",Roboto,
 "Helvetica Neue","Noto Sans","Liberation Sans",Arial,sans-serif;font-kerning:normal;overflow-wrap:anywhere}
main,header.top,footer{width:min(72rem,100% - 2.5rem);margin-inline:auto}
header.top{padding:clamp(2rem,6vw,4rem) 0 1.25rem;border-bottom:1px solid var(--line)}
main{padding-bottom:4rem}
footer{padding:1.25rem 0 3rem;border-top:1px solid var(--line);color:var(--muted);font-size:.875rem}
h1,h2,h3{line-height:1.2;letter-spacing:-.015em;text-wrap:balance;font-weight:650;margin:0}
h1{font-size:clamp(1.75rem,1.3rem + 2vw,2.5rem);letter-spacing:-.025em}
h2{font-size:1.4rem;margin-bottom:.85rem}
h3{font-size:1.0625rem;margin:0 0 .5rem}
.lead{font-size:1.125rem;color:var(--muted);max-width:44rem;margin:.75rem 0 0;text-wrap:pretty}
p,ul.list,ol.list{max-width:44rem;margin:0 0 1rem;text-wrap:pretty}
ul.list,ol.list{padding-left:1.25rem}
section{padding-top:2.75rem}
section section{padding-top:1.75rem}
section>*:last-child{margin-bottom:0}
a{color:var(--accent);text-underline-offset:.18em;text-decoration-thickness:.06em}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:3px}
:where(td,th,figcaption,.legend span,.tag,.expression,h1,h2,h3,.value){unicode-bidi:isolate}
.muted{color:var(--muted)}
nav.contents{margin-top:1.25rem;font-size:.9375rem}
nav.contents ol{display:flex;flex-wrap:wrap;gap:.35rem 1.25rem;list-style:none;margin:0;padding:0}
.marks-switch{display:none;gap:.6rem;align-items:baseline;margin-top:1.25rem;font-size:.875rem;color:var(--muted)}
body:has(.mark) .marks-switch{display:flex}
.marks-switch input{margin:0;accent-color:var(--accent);translate:0 .1em}
body:has(#marks:not(:checked)) .mark,.picture:active .mark{visibility:hidden}
body:has(#marks:not(:checked)) .picture img,.picture:active img{filter:none}

.scroll{overflow-x:auto;margin:0 0 1rem;border-radius:3px}
table{overflow-wrap:break-word;border-collapse:collapse;
 font-size:.9375rem;line-height:1.45;font-variant-numeric:tabular-nums lining-nums}
figure.table>figcaption{margin:0 0 .35rem;max-width:44rem}
figure.table{margin-bottom:1.5rem}
figure.table .scroll{margin:0}
th,td{padding:.45rem 1.1rem .45rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
th:last-child,td:last-child{padding-right:0}
thead th{color:var(--muted);font-weight:550;font-size:.8125rem;vertical-align:bottom;
 border-bottom-color:var(--control)}
tbody th{font-weight:550}
tbody tr:last-child>*{border-bottom-color:var(--control)}
.number{text-align:right}
td.number{white-space:nowrap}
td:not(.number),tbody th{min-width:6rem;max-width:32rem}

.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,10.5rem),1fr));gap:.75rem;
 margin:0 0 1.25rem}
.stat{background:var(--surface);border:1px solid var(--line);border-radius:8px;padding:.85rem 1rem .8rem}
.stat .label{color:var(--muted);font-size:.8125rem;line-height:1.35}
.stat .value{font-size:1.7rem;line-height:1.2;font-weight:650;letter-spacing:-.02em;margin:.2rem 0 .1rem;
 font-variant-numeric:lining-nums}
.stat .detail{color:var(--muted);font-size:.8125rem;line-height:1.4;font-variant-numeric:tabular-nums}

details{border:1px solid var(--line);border-radius:8px;background:var(--surface);margin:0 0 1rem}
summary{cursor:pointer;padding:.55rem .9rem;font-size:.9375rem;font-weight:550;border-radius:8px}
summary:hover{background:var(--sunken)}
details[open]>summary{border-bottom:1px solid var(--line);border-radius:8px 8px 0 0}
details>.inside{padding:.9rem}
details>.inside>*:last-child{margin-bottom:0}
details.quiet{border:0;background:none;margin-top:.25rem}
details.quiet>summary{width:max-content;padding:.25rem .4rem .25rem 0;color:var(--muted);font-size:.8125rem;
 font-weight:400;
 border:0}
details.quiet>.inside{padding:.4rem 0 0}
pre,code{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;font-size:.875em}
pre{background:var(--sunken);border-radius:8px;padding:.85rem 1rem;margin:0 0 1rem;overflow-x:auto;line-height:1.55;
 tab-size:4;font-size:.8125rem}
pre.wrap{white-space:pre-wrap;overflow-wrap:anywhere}
:not(pre)>code{background:var(--sunken);border-radius:4px;padding:.1em .3em}
mark{background:var(--highlight);color:inherit;border-radius:2px;padding:.05em 0}
pre .faint{color:var(--muted)}
.note{border-left:3px solid var(--accent);padding:.1rem 0 .1rem 1rem;max-width:44rem;margin:0 0 1.25rem}
.note.warn{border-color:var(--warn)}
.note .head{font-weight:650;margin-bottom:.15rem}
.note.warn .head{color:var(--warn)}
.note>*:last-child{margin-bottom:0}
dl.facts{display:grid;grid-template-columns:fit-content(14rem) minmax(0,1fr);gap:.3rem 1.5rem;margin:0 0 1rem;
 font-size:.9375rem}
dl.facts dt{color:var(--muted)}
dl.facts dd{margin:0;overflow-wrap:anywhere}

.gallery{display:grid;gap:1.5rem 1.25rem;margin:0 0 1.25rem;align-items:start;
 grid-template-columns:repeat(auto-fill,minmax(min(100%,var(--least,16rem)),1fr))}
figure{margin:0 0 1.25rem;min-width:0}
.gallery>figure,.gallery>*{margin-bottom:0;min-width:0}
figcaption{font-size:.875rem;line-height:1.5;color:var(--muted);margin-top:.5rem;text-wrap:pretty}
figcaption strong,figcaption .expression{color:var(--ink)}
.picture{position:relative;overflow:hidden;border-radius:6px;background:var(--sunken);line-height:0;
 -webkit-touch-callout:none;user-select:none;outline:1px solid color-mix(in srgb,var(--ink) 12%,transparent);
 outline-offset:-1px}
.picture>img,.picture>svg.photo{display:block;width:100%;height:auto}
.picture>.layer{position:absolute;inset:0;width:100%;height:100%}
.picture>img.cells{image-rendering:pixelated}
.picture.heated>img:first-child,.picture.heated>.photo{filter:grayscale(1)}
.picture>img.heat{opacity:.66}
.picture rect{fill:none;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.picture rect.casing{stroke:#000;stroke-opacity:.6;stroke-width:4.5}
.picture rect.edge{stroke:var(--mark);stroke-width:2.25}
.picture rect.dashed{stroke-dasharray:7 5}
.tag{position:absolute;max-width:100%;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;padding:0 .4em;
 background:var(--mark);color:var(--mark-ink);font-size:.75rem;line-height:1.6;font-weight:600;border-radius:3px;
 box-shadow:0 0 0 1px rgb(0 0 0/.45);pointer-events:none}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;margin:.5rem 0 0;padding:0;font-size:.875rem;
 line-height:1.45;max-width:none}
.legend li{display:flex;gap:.45rem;align-items:baseline;min-width:0}
.legend svg{flex:none;translate:0 .08em}
.swatch{flex:none;min-width:.85rem;height:.85rem;border-radius:3px;background:var(--mark);translate:0 .1rem;
 box-shadow:0 0 0 1px rgb(0 0 0/.45)}
.swatch.numbered{height:auto;min-width:1.35rem;text-align:center;color:var(--mark-ink);font-size:.75rem;
 font-weight:600;
 line-height:1.5;translate:none}
.swatch.dashes{min-width:1.3rem;height:.3rem;translate:0 -.2rem;
 background:repeating-linear-gradient(90deg,var(--mark) 0 5px,#3c4148 5px 8px)}
.colour-bar{display:flex;flex-wrap:wrap;align-items:center;gap:.6rem;margin-top:.5rem;font-size:.8125rem;
 color:var(--muted);
 font-variant-numeric:tabular-nums;line-height:1.3;max-width:24rem}
.colour-bar .bar{flex:1;height:.6rem;border-radius:3px;min-width:4rem;
 box-shadow:inset 0 0 0 1px color-mix(in srgb,var(--ink) 18%,transparent)}
.strip{display:grid;gap:1.25rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));margin:0 0 .5rem;
 padding:0;list-style:none;counter-reset:none}
.strip>li{min-width:0}
.strip .level{display:inline-block;font-size:.75rem;font-weight:600;letter-spacing:.02em;color:var(--muted);
 border:1px solid var(--line);border-radius:99px;padding:.05rem .6rem;margin-bottom:.45rem;background:var(--surface)}
.strip .caption{font-size:.9375rem;line-height:1.45;margin-top:.5rem}

.chart>svg{display:block;width:100%;height:auto;max-width:34rem}
.axis-name{font-size:.8125rem;color:var(--muted);margin:0 0 .35rem;line-height:1.4}
.axis-name.below{margin:.1rem 0 0;max-width:34rem;text-align:center}
.bars{list-style:none;margin:0;padding:0;max-width:46rem;font-size:.9375rem;line-height:1.4;display:grid;
 grid-template-columns:fit-content(13rem) minmax(7rem,1fr) max-content;column-gap:.9rem}
.bars li{display:grid;grid-column:1/-1;grid-template-columns:subgrid;gap:.15rem .9rem;align-items:center;
 padding:.3rem 0}
.bars .amount{font-variant-numeric:tabular-nums;text-align:right}
.bars .amount small{color:var(--muted);font-size:.8125rem;display:inline-block}
.bars .track{position:relative;height:1rem}
.bars .fill{position:absolute;top:.1rem;bottom:.1rem;background:var(--series);border-radius:0 2px 2px 0}
.bars .fill.negative{border-radius:2px 0 0 2px}
.bars .zero{position:absolute;top:-.3rem;bottom:-.3rem;width:1px;background:var(--control)}
.bars .span{position:absolute;top:50%;height:2px;margin-top:-1px;background:var(--ink);
 box-shadow:0 0 0 1px var(--paper)}
.bars .span::before,.bars .span::after{content:"";position:absolute;width:2px;height:10px;top:-4px;
 background:var(--ink)}
.bars .span::before{left:0}.bars .span::after{right:0}

.item{display:grid;grid-template-columns:minmax(0,1.6fr) minmax(15rem,1fr);gap:1rem 2rem;padding:1.75rem 0;
 border-bottom:1px solid var(--line)}
.item.long{grid-template-columns:minmax(0,1fr)}
.item .shown>*:last-child{margin-bottom:0}
.item:has(+.toolbar){border-bottom:0}
.item h3{display:flex;justify-content:space-between;gap:1rem;grid-column:1/-1;margin:0;font-size:.9375rem;
 color:var(--muted);
 font-weight:550;letter-spacing:0}
.item h3 .state{color:var(--done);visibility:hidden}
.item.judged h3 .state{visibility:visible}
fieldset{border:0;margin:0 0 1rem;padding:0;min-width:0}
legend{padding:0;font-weight:550;margin-bottom:.4rem}
.options{display:flex;flex-wrap:wrap;gap:.5rem}
.options label{position:relative;display:inline-flex;align-items:center;min-height:2.75rem;
 padding:.3rem 1rem .3rem .8rem;
 gap:.5rem;border:1px solid var(--control);border-radius:8px;background:var(--surface);cursor:pointer}
.options label:hover{background:var(--sunken)}
.options label:has(:checked){border-color:var(--accent);box-shadow:inset 0 0 0 1px var(--accent);font-weight:550}
.options input{accent-color:var(--accent);margin:0;width:1.05rem;height:1.05rem}
label.remark{display:block;font-size:.875rem;color:var(--muted)}
textarea,input[type=text]{font:inherit;font-size:1rem;color:var(--ink);background:var(--surface);
 border:1px solid var(--control);
 border-radius:8px;padding:.5rem .7rem;width:100%}
textarea{display:block;margin-top:.3rem;min-height:2.75rem;resize:vertical;field-sizing:content}
.toolbar{position:sticky;bottom:0;z-index:2;display:flex;flex-wrap:wrap;gap:.6rem .75rem;align-items:center;
 margin-inline:-1.25rem;padding:.75rem 1.25rem;background:var(--paper);border-top:1px solid var(--line)}
.toolbar .progress{margin-right:auto;font-variant-numeric:tabular-nums;font-size:.9375rem}
.form-head{display:flex;flex-wrap:wrap;gap:.6rem .75rem;align-items:center;margin:0 0 .5rem}
.form-head label.name{display:flex;align-items:center;gap:.6rem;font-size:.9375rem;color:var(--muted);flex:0 1 18rem;
 white-space:nowrap}
.toolbar .said{flex-basis:100%;font-size:.875rem;color:var(--muted);margin:0;max-width:none}
.toolbar .said:empty{display:none}
button,.button{font:inherit;font-size:.9375rem;font-weight:550;min-height:2.75rem;padding:.35rem 1rem;
 border-radius:8px;
 display:inline-flex;align-items:center;border:1px solid var(--control);background:var(--surface);color:var(--ink);
 cursor:pointer}
button:hover,.button:hover{background:var(--sunken)}
button.main{background:var(--accent);border-color:var(--accent);color:var(--on-accent)}
button.main:hover{background:color-mix(in srgb,var(--accent) 88%,var(--ink))}
.button:has(:focus-visible){outline:2px solid var(--accent);outline-offset:2px}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}

@media (max-width:48rem){
 .chart>svg:not(.small) text{font-size:14px}
 .item{grid-template-columns:minmax(0,1fr)}
 .bars{grid-template-columns:1fr max-content}
 .bars .track{grid-column:1/-1;grid-row:2}
 dl.facts{grid-template-columns:minmax(0,1fr);gap:0}
 dl.facts dd{margin-bottom:.5rem}
 .form-head label.name{flex-basis:100%}
 .toolbar{flex-wrap:wrap;gap:.5rem}
 .toolbar .progress{font-size:.875rem}
 .tiles{grid-template-columns:repeat(auto-fit,minmax(min(100%,9rem),1fr))}
}
@media (prefers-reduced-motion:no-preference){html{scroll-behavior:smooth}}
"""

_PRINT = """
body{font-size:10.5pt;background:#fff}
main,header.top,footer{width:100%}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
.toolbar,.marks-switch,nav.contents{display:none!important}
figure,.stat,.item,tr,.strip>li,pre{break-inside:avoid}
h2,h3{break-after:avoid}
.scroll,pre{overflow:visible}
pre{white-space:pre-wrap}
details::details-content{content-visibility:visible;block-size:auto}
"""
