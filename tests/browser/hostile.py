"""Markup that runs a script if it is not filtered: the kinds in OWASP's XSS filter evasion list.

Each calls `hit(…)`, which the test defines, or loads something from a host that does not exist. So do the outputs of
tools that JupyterLab's renderers draw.
"""

from __future__ import annotations

from typing import Final

_FAR: Final = "http://far-away.invalid"
_ENTITIES: Final = "".join(f"&#{ord(letter)};" for letter in "javascript:hit(1)")
_LONG_ENTITIES: Final = "".join(f"&#{ord(letter):07}" for letter in "javascript:hit(2)")
_HEX_ENTITIES: Final = "".join(f"&#x{ord(letter):X}" for letter in "javascript:hit(3)")

PAYLOADS: Final = (
    # Scripts, in disguise
    "<script>hit(4)</script>",
    f"<SCRIPT SRC={_FAR}/x.js></SCRIPT>",
    f"<script/x src='{_FAR}/x.js'></script>",
    "<<SCRIPT>hit(5);//<</SCRIPT>",
    f"<SCRIPT SRC={_FAR}/x.js?<B>",
    "<scr<script>ipt>hit(6)</scr</script>ipt>",
    '<SCRIPT a=">" SRC="data:text/javascript,hit(7)"></SCRIPT>',
    "</TITLE><SCRIPT>hit(8);</SCRIPT>",
    "</textarea><script>hit(9)</script>",
    "<script\x0c>hit(10)</script\x0c>",
    # Images
    '<IMG SRC="javascript:hit(11);">',
    "<IMG SRC=JaVaScRiPt:hit(12)>",
    "<IMG SRC=`javascript:hit(13)`>",
    '<IMG """><SCRIPT>hit(14)</SCRIPT>">',
    "<img src=x onerror=hit(15)>",
    '<img src=# onmouseover="hit(16)">',
    "<img onmouseover=hit(17)>",
    '<IMG SRC=/ onerror="hit(String.fromCharCode(88,83,83))"></img>',
    f'<img src=x onerror="{"".join(f"&#{ord(letter):07}" for letter in "hit(18)")}">',
    f"<IMG SRC={_ENTITIES}>",
    f"<IMG SRC={_LONG_ENTITIES}>",
    f"<IMG SRC={_HEX_ENTITIES}>",
    '<IMG SRC="jav\tascript:hit(19);">',
    '<IMG SRC="jav&#x0A;ascript:hit(20);">',
    '<IMG SRC=" &#14; javascript:hit(21);">',
    '<IMG SRC="`<javascript:hit(22)`"',
    f"<IMG SRC='{_FAR}/pixel.gif'>",
    f"<img srcset='{_FAR}/pixel.gif 2x'>",
    f'<IMG DYNSRC="{_FAR}/movie"><IMG LOWSRC="{_FAR}/small">',
    f"![a picture]({_FAR}/markdown.png)",
    f"[![a picture]({_FAR}/linked.png)](javascript:hit(23))",
    # Elements that load or run by themselves
    "<svg/onload=hit(24)>",
    "<svg><script>hit(25)</script></svg>",
    "<svg><animate onbegin=hit(26) attributeName=x dur=1s>",
    f"<svg><image href='{_FAR}/svg.png'/><use href='{_FAR}/svg.svg#a'/></svg>",
    "<svg><style><img src=x onerror=hit(27)></style></svg>",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=hit(28)&gt;">',
    '<math href="javascript:hit(29)">click</math>',
    "<BODY ONLOAD=hit(30)>",
    f'<BODY BACKGROUND="{_FAR}/background.png">',
    "<body/onhashchange=hit(31)>",
    '<iframe src="javascript:hit(32)"></iframe>',
    '<iframe srcdoc="<script>parent.hit(33)</script>"></iframe>',
    '<IFRAME SRC=# onload="hit(34)"></IFRAME>',
    f'<FRAMESET><FRAME SRC="{_FAR}/frame"></FRAMESET>',
    f"<embed src='{_FAR}/embed.svg'>",
    '<EMBED SRC="data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9InBhcmVudC5oaXQoMzUpIi8+">',
    f'<OBJECT TYPE="text/x-scriptlet" DATA="{_FAR}/object"></OBJECT>',
    '<object data="javascript:hit(36)"></object>',
    f'<APPLET CODE="hit" CODEBASE="{_FAR}/"></APPLET>',
    f"<video poster='{_FAR}/poster.png' src='{_FAR}/film.mp4' onerror=hit(37)></video>",
    f"<audio src='{_FAR}/sound.mp3' autoplay onerror=hit(38)></audio>",
    '<video><source onerror="hit(39)"></video>',
    "<details open ontoggle=hit(40)><summary>x</summary></details>",
    "<input autofocus onfocus=hit(41)>",
    f'<INPUT TYPE="IMAGE" SRC="{_FAR}/input.png">',
    "<select autofocus onfocus=hit(42)></select>",
    "<marquee onstart=hit(43)>x</marquee>",
    '<BGSOUND SRC="javascript:hit(44);">',
    # Styles, links and pages
    f'<LINK REL="stylesheet" HREF="{_FAR}/x.css">',
    f"<link rel=preload as=image href='{_FAR}/preload.png'>",
    f"<STYLE>@import'{_FAR}/x.css';</STYLE>",
    f"<STYLE>*{{background:url('{_FAR}/style.png')}}</STYLE>",
    '<STYLE>li {list-style-image: url("javascript:hit(45)");}</STYLE><UL><LI>x',
    f'<DIV STYLE="background-image: url({_FAR}/div.png)">',
    '<DIV STYLE="width: expression(hit(46));">',
    f'<TABLE BACKGROUND="{_FAR}/table.png"><TD BACKGROUND="{_FAR}/cell.png"></TABLE>',
    '<META HTTP-EQUIV="refresh" CONTENT="0;url=javascript:hit(47);">',
    f'<META HTTP-EQUIV="refresh" CONTENT="0; URL={_FAR}/elsewhere">',
    f'<BASE HREF="{_FAR}/">',
    '<form action="javascript:hit(48)"><button>go</button></form>',
    '<button formaction="javascript:hit(49)" form=f>go</button><form id=f></form>',
    # Links to click
    '<a href="javascript:hit(50)">one</a>',
    '<a href="java\nscript:hit(51)">two</a>',
    '<a href="\x01javascript:hit(52)">three</a>',
    '<a href="data:text/html,<script>opener.hit(53)</script>" target=_blank>four</a>',
    '<a onmouseover="hit(54)">five</a>',
    "<a href='vbscript:hit(55)'>six</a>",
    "[seven](javascript:hit(56))",
    "[eight](JaVaScRiPt&colon;hit(57))",
    "[nine](<java\tscript:hit(58)>)",
    "[ten]: javascript:hit(59)\n\n[ten]",
    "<javascript:hit(60)>",
    "[eleven](data:text/html;base64,PHNjcmlwdD5vcGVuZXIuaGl0KDYxKTwvc2NyaXB0Pg==)",
    # Through the parts that draw code, mathematics and tables
    "```html\n<img src=x onerror=hit(62)>\n```",
    '```"><img src=x onerror=hit(63)>\nx\n```',
    "`<img src=x onerror=hit(64)>`",
    "$\\href{javascript:hit(65)}{x}$ and $\\text{<img src=x onerror=hit(66)>}$",
    f"$$\\includegraphics{{{_FAR}/tex.png}} \\unicode{{<script>hit(67)</script>}}$$",
    "| <img src=x onerror=hit(68)> | b |\n| --- | --- |\n| <svg onload=hit(69)> | d |",
    '<noscript><p title="</noscript><img src=x onerror=hit(70)>">',
    "<template><script>hit(71)</script></template>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=hit(72)>",
    "<a id=hit></a><a id=hit name=x href=clobbered:1></a>",
    "'\"><img src=x onerror=hit(73)>",
    "{{constructor.constructor('hit(74)')()}} ${hit(75)}",
)

_LITE: Final = "application/vnd.vegalite.v5+json"
_VEGA: Final = "application/vnd.vega.v5+json"
_DOT: Final = {"mark": "point", "data": {"values": [{"a": 1, "spy": f"{_FAR}/datum.png"}]}}


def _picture(**of: object) -> dict[str, object]:
    """A plot of one picture whose address comes from this source."""
    enter = {"x": {"value": 1}, "width": {"value": 9}, "height": {"value": 9}, "url": of}
    data = {"name": "d", "values": [{"spy": f"{_FAR}/mark.png"}]}
    return {"data": [data], "marks": [{"type": "image", "from": {"data": "d"}, "encode": {"enter": enter}}]}


# Outputs that could fetch: none is drawn before the reader asks for it.
ASKING: Final = (
    {_LITE: f"{_FAR}/plot.json"},
    {_LITE: {"mark": "point", "data": {"url": f"{_FAR}/data.json"}}},
    {_LITE: {**_DOT, "encoding": {"x": {"field": "a"}}, "config": {"mark": {"cursor": f"url({_FAR}/cursor.cur)"}}}},
    {_LITE: {**_DOT, "mark": {"type": "image"}, "encoding": {"url": {"field": "spy"}}}},
    {_LITE: {**_DOT, "usermeta": {"embedOptions": {"patch": f"{_FAR}/patch.json"}}}},
    {_VEGA: f"//{_FAR.partition('//')[2]}/vega.json"},
    {_VEGA: _picture(field="spy")},
    {_VEGA: _picture(value=f"\\{_FAR[5:]}/value.png")},
    {_VEGA: _picture(signal="'http:' + '/' + '/far-away.invalid/signal.png'")},
    {_VEGA: {"data": [{"name": "map", "url": f"{_FAR}/map.json", "format": {"type": "topojson", "feature": "f"}}]}},
    {"text/vnd.mermaid": f'flowchart TD\n A@{{ img: "{_FAR}/mermaid.png" }}'},
    {"text/vnd.mermaid": f'%%{{init: {{"themeCSS": "*{{background:url({_FAR}/theme.png)}}"}}}}%%\nflowchart TD\n A'},
    {"text/latex": "$\\require{[mathjax]/far-away}$"},
    {"text/latex": f"$\\bbox[background:url({_FAR}/bbox.png)]{{x}} \\style{{background:url({_FAR}/tex.png)}}{{x}}$"},
)
# Outputs that are drawn immediately, without the parts that would fetch or run.
TAMED: Final = (
    {"text/html": f"<p>spy</p><style>@import '{_FAR}/x.css';</style>$\\re<wbr>quire{{[mathjax]/far-away}}$"},
    {"text/latex": f"$\\includegraphics{{{_FAR}/picture.png}} spy$"},
    {
        _LITE: {
            **_DOT,
            "data": {"values": [{"a": 1}]},
            "params": [{"name": "spy", "value": 1, "bind": {"input": "range", "onfocus": "hit(76)", "autofocus": ""}}],
        }
    },
)
