"""Names the public suffixes under which strangers can register: no wildcard may stand there.

A short list of the well known ones, not the whole Public Suffix List: every single label (`com`,
`test`) counts as one besides it, and `localhost` does not. It saves from common mistakes; it does
not prove that a parent domain is private.

Source: https://publicsuffix.org/list/ (ICANN and PRIVATE sections), a selection, with a few hosts
more whose customers choose their own subdomain.
"""

from __future__ import annotations

_SECOND_LEVEL_REGISTRIES = """
    ac.uk co.uk gov.uk ltd.uk me.uk net.uk org.uk plc.uk sch.uk
    asn.au com.au edu.au gov.au id.au net.au org.au
    ac.nz co.nz geek.nz gen.nz net.nz org.nz
    ac.jp co.jp go.jp ne.jp or.jp
    ac.kr co.kr go.kr ne.kr or.kr
    ac.za co.za net.za org.za web.za
    ac.in co.in firm.in gen.in ind.in net.in org.in
    com.br net.br org.br com.cn net.cn org.cn com.mx net.mx org.mx com.ar net.ar org.ar
    com.tr net.tr org.tr com.sg net.sg org.sg com.hk net.hk org.hk com.tw net.tw org.tw
    com.my net.my org.my com.ph net.ph org.ph com.vn net.vn com.ua net.ua org.ua in.ua
    com.pl net.pl org.pl com.co net.co com.pe com.ec com.uy com.ve com.eg com.sa com.pk com.bd
    com.ng com.gh co.ke or.ke co.tz co.ug co.il org.il net.il co.th in.th or.th co.id or.id web.id
    com.es nom.es org.es com.pt com.gr com.cy com.mt com.ru com.se com.de co.at or.at co.hu co.rs
    gob.mx gov.br gov.cn gov.in gov.il gov.za edu.cn edu.in edu.mx
"""

_SHARED_HOSTING = """
    github.io githubpreview.dev app.github.dev githubusercontent.com gitlab.io codeberg.page
    netlify.app netlify.com vercel.app vercel.dev now.sh pages.dev workers.dev r2.dev
    trycloudflare.com web.app firebaseapp.com appspot.com run.app cloudfunctions.net
    translate.goog blogspot.com withgoogle.com
    herokuapp.com herokussl.com onrender.com fly.dev up.railway.app railway.app
    amplifyapp.com cloudfront.net s3.amazonaws.com elasticbeanstalk.com awsapprunner.com on.aws
    azurewebsites.net azurestaticapps.net azureedge.net cloudapp.net cloudapp.azure.com
    azurecontainerapps.io azurefd.net blob.core.windows.net trafficmanager.net web.core.windows.net
    ondigitalocean.app digitaloceanspaces.com linodeobjects.com vultrobjects.com
    deno.dev deno.net surge.sh glitch.me replit.app replit.dev repl.co csb.app stackblitz.io
    webcontainer.io gitpod.io ngrok.io ngrok.app ngrok.dev ngrok-free.app ngrok-free.dev
    loca.lt localtunnel.me serveo.net ts.net
    hf.space streamlit.app gradio.live pythonanywhere.com readthedocs.io lovable.app bolt.host
    myshopify.com wixsite.com wordpress.com weebly.com webflow.io framer.app framer.website
    notion.site square.site carrd.co bubbleapps.io atlassian-dev.net zendesk.com
    duckdns.org no-ip.org ddns.net dyndns.org sslip.io nip.io
"""

PUBLIC_SUFFIXES = frozenset((_SECOND_LEVEL_REGISTRIES + _SHARED_HOSTING).split())
"""The bundled suffixes, in lower case, without a leading dot."""


def is_public_suffix(host: str) -> bool:
    """Tell whether strangers can own names directly below `host`.

    >>> is_public_suffix("github.io"), is_public_suffix("com"), is_public_suffix("example.com")
    (True, True, False)
    """
    name = host.removesuffix(".")
    if name in PUBLIC_SUFFIXES:
        return True
    return "." not in name and name != "localhost"
