#!/bin/sh
# Installs everything the recipe needs from Debian (12 or later): PyTorch, Pillow, a fast allocator, word lists and fonts.
# Usage: sudo export/training/install.sh
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

packages="python3-torch python3-numpy python3-pil python3-regex libopenblas0-pthread libjemalloc2 wamerican fontconfig"
for font in $fonts; do packages="$packages fonts-$font"; done

apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $packages
