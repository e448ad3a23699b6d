//! What a User-Agent may contain, and what each find says about the device.
//!
//! A list, to be read and extended as one: `signs` looks for all of it in one pass, and `verdict` weighs what
//! was found. It refuses to know which find wins.
//!
//! Rows are separated by a comma and a space. A row is text that starts where a word starts, whatever its
//! case; with `*` in front it may start inside a word. Behind the text, `#` stands for a digit, `@` for a
//! letter, `~` for a run of digits and dots, and `$` for the end of a word; what follows the row may be
//! anything. So a row is a family: `sm-t#` is every Galaxy Tab since 2013. Write the family, not the model:
//! the next one is not out yet.

use super::signs::Sign;

/// Every row with its sign.
pub(super) fn rows() -> impl Iterator<Item = (Sign, &'static str)> {
    TABLE
        .iter()
        .flat_map(|(sign, lines)| lines.iter().flat_map(|line| line.split(", ").map(|row| (*sign, row))))
}

const TABLE: &[(Sign, &[&str])] = &[
    (Sign::Television, TELEVISIONS),
    (Sign::Television, TELEVISION_MAKERS),
    (Sign::Television, TELEVISION_BOXES),
    (
        Sign::Television,
        &["playstation #, playstation#, ps2;, ps3;, ps4;, ps5;, nintendo wii, nintendo switch, xbox"],
    ),
    (Sign::Embedded, EMBEDDED),
    (Sign::Phone, PHONES),
    (Sign::IPad, &["ipad, puffin/~it$"]),
    (Sign::IPhone, &["iphone, ipod, *iphone;, puffin/~ip$"]),
    (Sign::Ios, &["ios;, ios/, ios #, ios$, like mac os x"]),
    (Sign::AppleTv, &["apple tv, appletv, tvos"]),
    (Sign::AppleApp, &["cfnetwork/"]),
    (Sign::WindowsPhone, WINDOWS_PHONES),
    (Sign::Tablet, TABLETS),
    (Sign::TabletModel, TABLET_WORDS),
    (Sign::TabletModel, TABLET_MODELS),
    (Sign::NotTablet, &["tablet pc, tabletop, *coolpad, sd4930ur"]),
    (Sign::FeaturePhone, PHONE_PLATFORMS),
    (Sign::FeaturePhone, PHONE_MAKERS),
    (Sign::PhoneModel, PHONE_MODELS),
    (Sign::Mobile, &["*mobile, *phone$, *phone;, cellphone, handset"]),
    (Sign::Safari, &["*safari"]),
    (Sign::Android, &["*android, andr0id, adr #, juc(linux, juc (linux, silk-accelerated, puffin/~a, fb4a"]),
    (Sign::Arm, &["arm;, arm)"]),
    (Sign::Touch, &["touch;, touch)"]),
    (Sign::Windows, &["windows, win##, winnt, win 9x"]),
    (Sign::TouchWindows, &["windows nt 6.3, windows nt 10"]),
    (Sign::Mac, &["macintosh, mac os, mac_powerpc, macos, os x, darwin/, mac$"]),
    (Sign::X86, &["x86_64, win64, wow64, i386, i486, i586, i686, amd64, intel"]),
    (Sign::ChromeOs, &["cros$, chromebook"]),
    (Sign::Linux, &["linux, x11, ubuntu, debian, fedora, freebsd, openbsd, netbsd"]),
    (Sign::OtherDesktop, &["amiga, beos, haiku, os/2, risc os, openvms, sunos, fuchsia"]),
];

/// What televisions run, whoever made them.
const TELEVISIONS: &[&str] = &[
    "*smarttv, *smart-tv, *smart tv, *googletv, google tv, android tv, androidtv, apple tv, appletv, tvos",
    "large screen, * tv$, *-tv$, *(tv$, *;tv$, */tv$, *_tv_, *(dtv, dtv/, dtv;, *_stb_, *_ott_, *_bdp_",
    "stb$, set-top, settop, *hbbtv, *ce-html, nettv, netrange, *inettvbrowser, *dtvnetbrowser, hybridcast",
    "opentv, webtv, iptv, hdplus, youview, freesat, freeview, freetime, pvr$, mhp, opera tv, omi/, sraf/",
    "espial, wpe$, dlnadoc, netfrontnx, mbxtwebkit, cobalt/",
];

/// Makers of televisions and players, and the browsers they build.
const TELEVISION_MAKERS: &[&str] = &[
    // LG, Samsung
    "web0s, webos.tv, webos tv, netcast, lg browser, lge; 4#, lge; 5#, ohtv, maple, *smarthub",
    // Panasonic, Sony, Sharp, Toshiba
    "viera, diga$, panasonic;, bravia, sonycebrowser, sonydtv, sonybdp, kdl#, kdl-#, nsz-, nbz-",
    "aquosbrowser, aquos-as, sharp-aquos, tsbnettv, regza, toshibatp",
    // Philips
    "philipstv, philips-avm, philips tv, tpm###, tpvision, qm1##@, qv1##@",
    // Hisense, TCL and others of China
    "vidaa, hisense-m, hisense-n, changhong, skyworth, tcl-tv, tbrowser, zeasn, haier tv, mstar;",
    "sunniwell",
    // Europe and America
    "loewe, bangolufsen, beovision, vestel, vstvb, grundig tv, technisat, technicorder, digicorder, humax",
    "ciscobrowser, kreatv, boxee, tivo, directv, netgem, freebox, dunehd, popcorn hour, gftv, google fiber",
    "hyperpanel, selevision, technicolor_, sagemcom, arris, vizio, iwedia, videoweb, lacletv, roku",
    "netbox/, zetakey, virginmedia, bskyb, comcast, xfinity",
];

/// Boxes and sticks that make a television smart. Most run Android, and say so.
const TELEVISION_BOXES: &[&str] = &[
    "*tv box, *tv-box, *tvbox, *boxatv, *tv stick, *tvstick, *tv-stick, stick$, tv dongle, *_dongle",
    // Google, Nvidia, Amazon, Xiaomi
    "crkey, chromecast, nexus player, nexus q, adt-#, forge tv, shield android, mibox, mitv, mi box, mi tv",
    "aft@$, aft@@$, aft@@@$, aft@@@@$, aft@@@@@$, aft@@##, aft@@@##, aft@@@@##, aft@@@@@##",
    // By name
    "ouya, tanix, minix, beelink, mecool, vorke, abox, *r-tv, ugoos, zidoo, himedia, formuler, leelbox",
    "wetek, probox, yundoo, magicbox, rkm, mxq, mxiii, mx iii, mxpro, m8s, * t95, x96, x92, h96, tx3$",
    "tx5$, tx9$, a95x, km8, km9, bb2$, neo-u#, neo-x#, neo u#, neo x#, stv-#, mag2##, mag3##, cx-9##",
    "mk80#, mk90#, * p212, * p281, ti320",
    // By chip
    "s905, s912, hx s9, rk3229, rk3328",
];

/// An embedded Linux that names neither a window system nor a device is a television's or a box's.
const EMBEDDED: &[&str] = &[
    "*(linux armv, linux mips, linux sh4, *(linux 7#, *(unknown; linux, *(linux;)$, directfb, ekioh",
    "qtembedded",
];

/// Agents that say outright that they are phones.
const PHONES: &[&str] = &[
    "*(iphone;, puffin/~ap$, *aphone browser, j2me, pre/#, pixi/#, playstation portable, playstation vita",
    "psp$",
];

const WINDOWS_PHONES: &[&str] = &[
    "windows phone, windowsphone, windows mobile, windows ce, iemobile, wpdesktop, zunewp, zune wp, xblwp",
    "lumia, wp7, wp8, msft-wp, wmpro, ppc; ###x, smartphone; ###x",
];

/// Words that name the class itself, and what only tablets run.
const TABLETS: &[&str] =
    &["*tablet, playbook, silk-accelerated, silk/, kindle, nook, touchpad, xoom, tbd#, tbd@###, puffin/~at$"];

/// What makers call a tablet; they mean one only on Android.
const TABLET_WORDS: &[&str] =
    &["*tab$, *tab#, *tab_, *tabii, *pad$, *pad#, *pad_, slate$, mid$, mid#, mid_, *10.1 build, *9.7 build"];

/// Tablets by model, family by family.
const TABLET_MODELS: &[&str] = &[
    // Amazon
    "kf@@$, kf@@@$, kf@@@@$, kf@@@@@$, aeo@@$",
    // Samsung
    "*sm-t#, *sm-p#, *sm-x#, *gt-p#, gt-n51, gt-n80, n80##, galaxy note 10.1, galaxy note 8.0, sc-01c",
    "sc-01d, sc-01e, sc-02d, sch-i800, sch-i815, sch-i905, sch-i915, sch-i925, sgh-i467, sgh-i497",
    "sgh-i957, sgh-i987, sgh-t779, sgh-t849, sgh-t859, sgh-t869, sph-p, shv-e140, shv-e150, shv-e230",
    "shw-m180, shw-m300, shw-m305, shw-m380, shw-m430, shw-m48#, shw-m500",
    // Google
    "nexus 7, nexus7, nexus 9, nexus 10, nexus10, pixel c$",
    // Lenovo
    "tb-#, tb-@#, tb#-, tb###@, yt-, yt#-, yb#-, yoga$, a1_07, ideatab, ideapad, a1000-, a1000l, a2107",
    "a2109, a2207, a3000-, *a3300-, a3500-, a5500-, lnv-lenovo a5500, a7600-, a7-30, a7-50, a8-50, a10-70",
    "b6000-, b8000-, b8080-, s5000-, s6000, s8-50",
    // Asus: `K0` and `P0` are its tablets; its phones are `Z0` and `X0`.
    "transformer, tf###$, tf###@, me1##, me3##, me4##, me57#, me58#, k00@$, k01#$, k01@$, p00#$, p00@$",
    "p01@, p02#$, padfone, slider sl",
    // Acer
    "iconia, a1-7##, a1-8##, a3-a##, b1-7##, b1-8##, b1-a##, b3-a##, *; a100$, *; a101$, *; a110$",
    "*; a200$, *; a210$, *; a211$, *; a500$, *; a501$, *; a510$, *; a511$, *; a700$, *; a701$",
    // Huawei and Honor: models without a telephone end in `W` and two digits.
    "*-w##$, mediapad, matepad, ideos s7, ags-, ags#-, agr-, bah-, bah#-, kob-, kob#-, scm-, sht-, mrx-",
    "mrr-, bzt-, bzt#-, bzk-, cmr-, jdn-, jdn#-, vrd-, dby-, wgr-, btv-, bgo-, bg2-, cpn-, s7-###, s10-###",
    "m2-a01, m2-80#, t1-a#, t1-7, t1-8, t1 7.0, t1 8.0, t1 10, brt-, hey-w, kjr-, agm3-",
    // Xiaomi, Oppo, OnePlus, realme
    "mi-pad, mipad, 23043rp, 23046rp, 23073rp, 24018rp, 2405crp, 2208128, 21051182, opd####, rmp####",
    // Sony
    "*sgp3##, *sgp5##, *sgp6##, *sgp7##, sgpt#, *so-03e, so-05f, so-05g, sot2#, sot3#",
    // LG, HTC, Motorola, Toshiba, Dell, HP
    "lg-v###$, lg-v###@, lg-vk###, lg-uk###, vk810, lm-t###, lgt0#, lgt3#, flyer, htc_flyer, pg41200",
    "pg09410, jetstream, mz5##, mz6##, xyboard, at100, at1s0, at10-, at10le, at200, at270, at300, at330",
    "at500, at570, at7-, thrive, folio100, venue 7, venue 8, venue 10, venue7, venue8, streak, hp 7$",
    "hp 8$, hp 10$, slate 7, slate 8, slate 10, slate7, slatebook, *tenderloin",
    // Fujitsu, Sharp, Kyocera, Panasonic, NEC
    "m532, f-01d, f-05e, f-02f, f-03g, f-04h, kyt3#, sht2#, sh-06f, sh-08e, p-08d, lavietab",
    // Barnes & Noble, Kobo, PocketBook, Nvidia
    "bntv, bn nook, kobo, arc 7, arc 10, arc$, pocketbook, shield tablet, shield$, tegra note, tegranote",
    // Operators: Vodafone, Verizon, AT&T, T-Mobile, MegaFon, Tesco
    "smart tab, vfd 1###, qmv#, qta@, trek, springboard, megafon v9, hudl",
    // Alcatel, ZTE
    "one touch p3, one touch t, onetouch p3, onetouch t1, evo7, evo8, *; 8063, *; 8067, *; 8068, *; 8079",
    "*; 808#, *; 809#, * 900#@$, * 901#@$, * 902#@$, * 903#@$, e8q, e10q, k81, k88, k92, v55$, v9a$, v9c$",
    "zte v9$",
    // Archos, Prestigio, Point of View, Medion, Odys, TrekStor, Gigaset, Denver
    "archos 7, archos 8, archos 9, archos 10, archos 5$, archos5, archos7, arnova, a101it, a70it, a80s",
    "pmp####, pmt####, pmid, mobii, lifetab, *lifetab_, odys$, odys-, odys_, xelio, adm8###, loox, surftab",
    "st#####, gigaset qv, tad-#, tac-#, taq-#, *taq-#, cat nova, catnova",
    // bq, Kiano, Overmax, Modecom, Evolio, E-Boda, MSI, ViewSonic
    "edison, maxwell, elcano, curie, livingstone, aquaris m8, aquaris m10, aquaris e10, kiano",
    "*kianointelect, elegance, ov-, freetab, evolio, e-boda, msi enjoy, viewpad, viewsonic v, g-tablet",
    // iconBIT, 3Q
    "impad, nt-0###, nt-1###, nt-2###, nt-36##, nt-37##, nt-38##, nt-39##, qs####@, ac####@, bc####",
    "rc####@, lc####@, tu####@, mt0###",
    // Digma, Irbis, teXet, Ritmix, Wexler, Oysters, Supra, Turbo, Bravis, Explay
    "optima #, optima e, plane #, platina, idxd, idsd, idnd, idsq, idjd, hit ht, tz##, tx##$, tm-7###",
    "tm-8###, tm-9###, rmd-###, wexler, oysters t, supra m, supra_m, turbopad, turbokids, bravis np",
    "informer, surfer #, activd",
    // Cube, Onda, Pipo, Chuwi, Teclast, Ainol, Ramos, Ployer, Tecno
    "u25gt, u30gt, u51gt, u55gt, u9gt, cube, talk9, talk 9, talk 8, onda, v811, v812, v819, v891, v919",
    "v97#@, v989, pipo, m6pro, m9pro, chuwi, v88, hi8, hi10, vi8, teclast, * p80, * p88, * p98, * x80",
    "* x98, novo#, ramos, momo#, tecno p9, tecno dp",
    // RCA, DigiLand, Ematic, Nextbook, nabi, Zeki, Velocity Micro, Pandigital
    "rct6###, dl7##, dl10##, egp, egs, egq, nx7, nxa, next#, nabi, tbq@###, cruz, velocitymicro",
    "*pandigital",
    // Other names
    "le pan, funbook, micromax p, ubislate, mytab, visture, numy, tpc-, tpc#, wvt, technipad, terra_",
    "touchtab, *ezee, element10, squad #, mitab, mpqc, mpdc, iplay, dslide, flylife, woxter, estar",
    "starpad, reeder, inm###, disco10, primo7, logicom-s, tp10, tf-mid, sn#@#@",
    // By chip, where the maker left the reference design's name
    "rk28##, rk29##, rk30##, rk31##",
];

/// What runs on phones, smart or not.
const PHONE_PLATFORMS: &[&str] = &[
    "*midp, *cldc, symbian, series##, series ##, *series60, s60, s40, epoc, uiq, palmos, palmsource",
    "blackberry, bb10, bb##;, kaios, bada, brew, mre, meego, maemo, sailfish, jolla, tizen, ubuntu; mobile",
    "*like android, firefox os, webos/, hpwos, hiptop, danger hiptop, kin.t, mtk, maui$, maui_, spreadtrum",
    "nucleus, nativehost",
    // Browsers, gateways and their formats
    "up.browser, up.link, openwave, *obigo, blazer, teleca, dolfin, jasmine, polaris, wap$, wap#, wml",
    "mmp/, opera mini, opera mobi, ucweb, uc browser, ucbrowser, juc, fennec, avantgo, netfront/",
    "semc-browser, minimo, wireless transcoder, teashark, skyfire, dorothy, browserng, *ovibrowser, mib/",
    "mqqbrowser/mini, *miuibrowser, whatsapp/2, nintendo 3ds, nintendo ds",
];

/// Makers of phones, whose names open the agents of their older ones.
const PHONE_MAKERS: &[&str] = &[
    "nokia, *sonyericsson, ericsson, samsung-, samsung/, sec-, sie-, siemens, lge-, lge#, lgec, lg/, lg-",
    "lg###, lgl##, lg ####, lgu#, gt-, mot-, motorola, moto$, alcatel, zte-, philips, panasonic, sagem",
    "haier, hisense, lenovo-, lenovo_, sharp, sanyo, pantech, kyocera, casio, nec-, kddi-, *docomo, foma;",
    "softbank, vodafone/, j-phone, willcom, ddipocket, emobile, jig browser, mitsu, toshiba ts, portalmmm",
    "bird, amoi, coolpad, gionee, k-touch, tianyu, htc, huawei, hs-, dopod, ipaq, hp ipaq, treo, xda, qtek",
    "spv, audiovox, benq, sendo, telit, vk-, micromax, karbonn, spice, lava",
];

/// Phones by model, for the Android agents that say neither "Mobile" nor "Tablet".
const PHONE_MODELS: &[&str] = &[
    // Samsung, LG, HTC, Motorola
    "gt-b, gt-c, gt-i, gt-m, gt-n7, gt-s, sm-a, sm-c, sm-e, sm-f, sm-g, sm-j, sm-m, sm-n, sm-s, sm-w, sm-z",
    "sch-, sgh-, sph-, shv-, shw-, galaxy, lg-, lgm, lm-, htc, desire, moto, mb###, xt###, droid",
    "milestone",
    // Google, Sony, Nokia
    "nexus 4, nexus 5, nexus 6, nexus s, nexus one, pixel, xperia, *sonyericsson, c1###, c2###, c5###",
    "c6###, d2###, d5###, d6###, e2###, e5###, e6###, f3###, f5###, f8###, g3###, g8###, lt##, mt##@",
    "st##@, sk17, wt19, nokia, ta-1###",
    // Huawei and Honor: `AL`, `TL`, `UL`, `L` and `LX` are telephones' radios.
    "huawei, honor, u8###, u9###, *-al##, *-tl##, *-ul##, *-l##, *-lx#",
    // Others
    "redmi, mi #, hm$, mix, poco, oneplus, oppo, cph####, rmx####, vivo, realme, infinix, tecno, itel, zte",
    "blade, alcatel, one touch, onetouch, vodafone, asus_t, asus_x, asus_z, micromax, xolo, lava, lenovo a",
    "lenovo k, lenovo p, lenovo s, wiko, cubot, doogee, oukitel, meizu, coolpad, gionee, zopo, thl, kazam",
    "fly iq, iq4###, philips, acer e, acer z, liquid, so-0, sh-0, f-0, n-0, p-0, ucbrowser",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_are_well_formed() {
        for (sign, row) in rows() {
            assert!(
                row.is_ascii() && !row.contains(|c: char| c.is_ascii_uppercase()),
                "{row}: lower-case ASCII"
            );
            assert_eq!(
                row,
                row.trim(),
                "{sign:?}: a space at an edge is easily lost; say $ for the end of a word"
            );
            let text = row.trim_start_matches('*').split(['#', '@', '~', '$']).next();
            assert!(text.is_some_and(|text| text.len() >= 2), "{row}: found everywhere, and slow");
        }
    }

    #[test]
    fn no_row_is_there_twice() {
        let mut seen = HashSet::new();
        for (sign, row) in rows() {
            assert!(seen.insert((sign as u32, row)), "{sign:?}: {row}");
        }
    }
}
