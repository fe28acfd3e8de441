"""Fingerprints of photos: 16 bits each, to recognise a photo after it was reduced.

A photo is reduced to 5 x 4 grey pixels; a bit says whether a pixel is lighter than the
one to its left (a difference hash). Smaller sizes and another compression change 0.1 of
the 16 bits on average, another photo changes seven. `SMILES` lists the numbers of the
photos that were chosen from a larger set.
"""

import base64
import zlib
from collections.abc import Iterable

import numpy as np
from PIL import Image

MOST_BITS = 4  # that may differ in a photo, and in one photo of fifty more
COLUMNS, ROWS = 5, 4


def fingerprint(photo: Image.Image) -> np.ndarray:
    """The 16 bits of a photo, (2,) uint8."""
    small = photo.convert("L").resize((COLUMNS, ROWS), Image.Resampling.BOX)
    grey = np.asarray(small, "int16")
    return np.packbits(grey[:, 1:] > grey[:, :-1])


def difference(name: str, photos: Iterable[Image.Image]) -> str:
    """How photos differ from those of a data set, in words; "" if they do not.

    Args:
        photos: in the order of their names.
    """
    expected = np.frombuffer(_decoded(PHOTOS[name]), "uint8").reshape(-1, 2)
    found = np.array([fingerprint(photo) for photo in photos], "uint8").reshape(-1, 2)
    if len(found) != len(expected):
        return f"expected {len(expected)} photos, found {len(found)}"
    bits = np.unpackbits(found ^ expected, axis=1).sum(1)
    others = int((bits > MOST_BITS).sum())
    if 50 * others > len(bits) or bits.mean() > 1:
        return f"{others} of {len(bits)} are other photos"
    return ""


def smiles(kind: str) -> list[int]:
    """The numbers of the 1500 photos of a kind, ascending: "smile" or "no_smile"."""
    steps = np.frombuffer(zlib.decompress(_decoded(SMILES[kind])), "uint8")
    return np.cumsum(steps, dtype=int).tolist()


def _decoded(text: str) -> bytes:
    return base64.b85decode("".join(text.split()))


PHOTOS = {
    "alpacas": r"""
Ou@_<QHW+`$c)VPip%by&WM13^?S@_iS_`w9J#2UBh3KBE^KUi6kv8=wr_p8#w*1q)ia9XjK~C4s)_vlXtVvY2%-
iOs?1q;%DBqhB6Ez8Hh}Er+UDJ$O*`<NhR&cSRar#R;WBrM?8Y<8%#~#^)*b3R-pl}YOyAUj?g6Pc#LhY*sm!aD=
8VqnOx9!~qXAs4%*?Lujq50=RWnXA*repdMmmyn?M5^aii)bM%+BOorxOr_gz9%Q)-x(ilT}@!h{`1ph-3WdAIuq
w!yyG;&2!A?25iit>Y3yMp`?nl9NqRc$jz1nfB^OavY0kx=j_T`p62l}&5Fl7MZr@uot2X!WT~9u!?8)S02j{u=-
!t^h(;4L?x+(pj_O1prj|FkC044>?Bnx3lWohH<1>+UW_02|Lo;1=12GEl!X;BYkrjLQ?zO&TW-{_C4c%rpws`Dh
$2YQOBQq+^vomx6BXg#9;3y$Fj;eB#yDvw<9Z7dTC<LzVY>8~`tE$R3D(L^+?%c?ZqrRGE$1}`8`|heTaahc&<iR
cK$jHJ%?lHBhU)k);S4FXt{X8q8A~w~ScQnku?Fg{bn6c)@5Rl27b~DJ&oQVh*iABVB!WV>$W+nv2i5-+Wgvh}Z{
Frk)V-cY??(8)p#7+``VqzmYh&t=Efiopl?YaRuW_HC8iIH|AeYheb(K3NM7^9>f!ZqVK<2ZtIYW#@$sI}*l$d<-
A$vQ(`V|U?f%t@Td+kxPo01`!AMq)>jh={v3%(Ko?BQee<qc_XC8_dehf@LbIri?H7cL6tYr$W;^tL&E>$9!UDK@
2&}vo&{aiXpRe#4xN(X0qliygU
""",
    "car_boxes": r"""
002cC2t1fr8CVmLiXkEx5)c6Z6g)97X8Zs!%)pq45D5?g5fcD2C^J<OH@$l?YH4a9jtv<Y8BjSmF>rEmVsT=zpfk
`jSu<KQSd$sEF*CI@F*7qWb8~WYI&*4!ZgXbi?&HkJ%!AF7j3$W|8Z;r86C4vd6LV$rm2<WFF8*%3P5easPTY!Un
k*PN6#OPwB6t*v6+Sc^Hhg(}S$tII`xAO|e6m><I5Rpnaxzq4e3&>M6Miz;HhoAKdy_k}Kl3}YJF_!0GgEi7cQbZ
5er7+je^-06f3<!iem-<lbyIdda&vOCdLVFda8q&1aF<}CVuw%{5i@pIc6WIbd3$;~bvkl-B6<|P7@8P9IWRFcFf
4MsRWccPJ7Icp8*_HC6?1i$bu+#;T%layT3`Zm5K|R<6|*w;JNCG-fB)?J?*FloawCzDbX*a!I{Rk#X73eIomVMy
J0mwdCLy_6CSxELK`|_4Y=A_7d_e4>L=cR@h}nq23ZWQ-6ax@b5Ex9-H8?RiG9WZ&F;G2FdB9nLR&m*z74bdsIg)
vCS=b3km;n+P5*P#sngbYNu{kI)F(_fIP>?eKF>o@VcDZI~F6bZ<02%-p5gHLHRWLF*CIA!y02lx`01h~iXaFG!D
SkMB7=RN1M!-(c4DL*jj6jUY2%w0_2!H?x5daYg06-#u5r7py96+2vn1C375rOXEHen{fCJ{za=HX{UcXvOtA~O*
aGBbB`e{+5_ev^9>bEk5%cC&V~-H1IrT%2AwzF59Kd{t~%Y_b^`8A=(M5CIVo5f(5L5K$lyRS+l=Gdy>EW;k3JJ1
~fgh#8ua7!w33e=vVx0F-}0`@;X6|7_orpIn!amyj2;7nmMI9&8>Q9BdsJ9UL4K7)AzR5jZipFc32EF%is=Dsd`t
Dsd`tDsd`tDluJ=U9pI`e<3$LKQTRVJ<)yfebI=BoRFM>2mqKEnVuM<2skP_L^uHu1V8|Q0b&`T8K4n}5eyI@0iZ
BkaaS=EB0WJ~Kp0sZnR<~v0RR#lF(?r{Bb*U45fC$Vay4SI01#)IRV3BCn|!*ax)EedL|g
""",
    "camvid": r"""
%-YP(%+Ac-%-q~s+}hk)+|t~{%+Ac-%uei1>`v^??9R+y%+Act%tp-4#Lmp#%+Act%+Act%-+n_OwP>4%+Act%-+
o2%+Act%+Act%+Act%tp*k%udZt%}&k6&0@_)%|^{m%|^{e%|^{e%*M>z%*@PO%+$=(h9WlrkqC&YiHnTMoZOIzq
yUis{^rb#$cTtcnMe}oe*en;BTQL%%)pr;)uO6{sf^si#6f0YF)@Z{yacHjhQPDvlPNb{{j18(t~1xnM01GmMQ#Y
sip`46ip`46ij9hlip+}InaG*Qk<5|k5!eCjfoOo}g6e|s0`vpC1Ka~V3p@(ADyTcW8JPq?4j>tj11N}qh=7d9jL
eK&%u39P%?Qm{#i+#G&D_n*-N>29nT*Je%*^b}?9Ars>}Jer%*c$(%*xMx|Nce%)!gmg^zSpa5U~l}%;`+rOvsGl
&HByy&Hjw&Oz6z+%<9ei&D+e{%*f5e%;3cAM5si#M7Tt_M7Tt#&A82|%;3z>%<;_J%<kRU&E3rX%<atB&DhNF&HK
gJ#LUD@%;?-q%-zl1RhdLU%tTe>#N5RF?BDFpUD(`0%-PJG&eY5}%qq+(%qq+(%qq+(%xZ|#02lxeh=|Qh#>~b{#
!Sx4&dkot&dkot&dkot&dkot&fLaK#>~#l&P>kC&dkot&P>kC&dkot&P>kC&P>kC&P>is&dkot%-ooO!lKh*>bqt
(?03cY%*V{%%;wZa-PYYs%uLKo%*@Qr%<j&v&R)je*RIxY&hE{=%|G40-9O!*RhG?E%+1Wq%uLM8%*@P8%#6%j&h
F0c?!In&)?42HM*PqJ-~Y$=*MHyZ#cRdu#N)(w%<IfY%#PfK-IC0}%ud|K+{Vnz%+Ac5%#O@X#E#95-Avs`%}mT}
&V25q<|k)1Wp-8EyS_(iyvX1H#0ba$$N-3dh{()t%x=tP%x27H%;wDQ%<jzY%<jzY%<jzY%<jzY%<jzY%<jzY%<j
zY%<jzY%<jzY%<jzY%<jzY%<jyt%&yF?%&yF?%&yF?%&yF?%&yF;&8p41&Hl~)&F;<a&FanW&2G)^&F0PS&F;<a&
F;<a&F;<Q&FszW&1}tV%}mYA&CJcr&CJcr&CJcn&B)DUiDZdniFS$9iPVYIiQI|YiQI|Yjogjgjogjcjo6Lc%vj7
^%vj7w+(_I^+)T_&%uLM8%*@Q}%+ActM9$1k%udW+%wEh|%*xEl%*xEl%*xEl%*xEl%*xE#%-YP#%*xE#%*xE#%*
xEl%*xEl%*xEl%*xEl%*xE#%-YP}%+AKl%*@Qn%$m)XjfRbu%!bUC%!Y{$&VE%s=I)J5olK0xj7-c-%udYC%-qb*
%}mV9s_E5)RhCtQ)U!mF%)`uv%*V{a%!b5EWscRy)ym9A%+Jiu%+Acj%+Act%+Act%*@Qp%*@QrOwP>5P0q~D#6-
->#YRlZ#L~pf&Cblu%+ACD%*xEj#LQ$&%+Ac-Mb6CL%)~{+#LUgk%+Ab;&4SH{)qunUgiD1-MMq6WO;$}tO-4;tO
;$}7O%_d7O-4;tO;$}-O;$}-O;$}-O*TvxO-4;dO-4;dO-4;tO-4;dO;$}dOg2nbO;$}-Ojb<V%*IVjM9xIO%*e#
Z%*f2h%+Ab=%**7??9R-_%*xD)%!0_mgn|Tu4FY`vMFPcwMS{$N%)`h+%)-pV%*w^e%*xHo%*xEl%+AbA%uLKq#7
xXi%*V{m%*M>Z%);!-?3%=i#71Pq<i_mE%!0^+$O_4V$b!hi%!<tr%#6%V%!159>`Ls4WD4xV#6!%=%*p
""",
}
SMILES = {
    "smile": r"""
c-kG5*^XN`5Jb^?b0_bnJ09EdWb7EuLjo8HkjMQ0SEUu{Nd(mFsyap5l^ZF50llhbbIo2F^bS9aie8vXMJ}vGF1w
|jva=F6fF~tW6J`?B&P#>>Wa$;+JQ-(PgB(4v_G~*KC>qG}j-C<OXgRa+{FdRsCMNgHpWk}}pyy{J22eMm*K;(%f
u}KiuG$4_+*%7JbxkN33ixs`Vk(~|;f2o?JH!f0vdSqQtET+Iq@t4;DHKp_iLpykL@K#dtNNV~)}&3?k?bAmk&@3
DKR6l5!NeU3sLtYfsiHj1u}YBstqcih4PiKalfi8v&BrJ}VB@BDXRj|#s^*2=Q{OH2Twy<0>pa$sYvZDGIi}we@8
GOnjui?)8s@h9wZSBTGdG1B9k0dj*{Z{HOd)78TdevfV}N9eT|1dj_(d$=zcwINX16?mJf<Rr-(nl!70ZwsJ+fpm
ti6qhoi+@s1yMpo$pEjS4C^LfC>K1uN_CQM(C?tg^(aY2VAJ}6DHqWTPy+<=@eH;EE9gzq9UFny2maW;p<2tqioi
Fyu*wEGcU$#o3@OpzSPkMD+yws!PxL3^Zjl>nVt+z1OGw-+7PSAN(-gN&!xJ^H8wwsVmA#xXSTu)*_+#QYv+NS_{
}a%n7krCgnU}+6*4&O!kuca<l@0#HkVA)J%4t`pM;K^EO<&(94QPS44kd0}Hh>_r{X*x)JpjXFafpZ%qfiO#ctga
WhA^WSv)v7l^R^@`l*IY^h5MwLG$?qHS`+d<P}w=rCk83qVq%K9gJE#`Ex)|#t3pT<yCaftH)v$68GCSK9#LnY8^
%s=9B!Z#g!E+WXo`V}a0c88V~b6<FSzK4mImu_6os=K`K&02AKOy};D9?-DkY42hrfFX>^}rdxt9RW&YdRr!vJ$&
L^aWph|e1{V3-xG&sOqzbxrxlpd>^RHJ#RG<;uTm<74Rq{SFXu)@+(VydmUE24emsA$O0GYYYs&J8mJGC3-J+To7
MhcjZh0Lr@3dc#iJJ1Ch6QM&7udv2R$G<29-~^!*Tg5R5AM=mBEH1E(V239!s_vkhTS#iH_=>asCPQ;S#a3lP=-S
ey#&C)k60v(y7oz=;;6@aHQVc|DQ&n)~q*I;<f+>QAu9hUI2`M@$%gN4xYZ`p8n_Wu!TTI<9CFY&QT)+0s>0il*X
d8w<JAtooO>kI3_*Oy&OoUoJDJ
""",
    "no_smile": r"""
c-kG5>2e!641^0O!D~2|G_oW+b}F{Bajo<IZ?~=eXOBn%=>8hD<fe0u%HkrfOmt^%7H76+WjRPo7Fj8goh5~FQ=+
Cqu8YcXHuI_$!nsztNtQ(~;uhBIcXF~6vG%>NvW@PxzL#2i&SN(zc$$QrNf}*aK4iH6`c$vxMLMH~kR%c9)`@T|o
Qv>Mlp^q<%hre9?1?{8;|V{04Z<9SHfNFS9=Sy3kotUh{}IpfuRk$MtidMkRQZi1=RFJS;Is*|&UIK1&62dwRu<;
op$WB|Ud-Jy(`yLo3(j2AQAt;&ciSg=v>d~NjE&|@9S!I)h~^vGR_0Ol5Vm>VpVP8wh|%KNPdRj11EW%dYVpt5eY
-Vho>>wGx2$wZMQ5nkYbr$JCrUYCZd|FHp#M<u6JAeGr1q3<$wZ*lOz1g2ZjD%bwY^KpgT9H}gxKCZ$yCN9*0>O-
3x+sxp82=Y2;Tk3e^>E|Y1KyP@S3Tpsz}uY|Gt4xL?kzSvK^E2CCf~-b>NgS6uRZ?3UD0gsKP?>x#Wd3`Q8lxG5+
3-nxr(crDi_6@fz@ta=+q)ZU7LEHkmq{g)(W?IiSu%HP}}(R8XI3mn{cBsuV^uKgBT>9ZA2Oo7DOAvfQIcgBfdL1
*AfS;!Kz2$~n)|{y%s|K6YK%_cKLHrZp}2IKA`A6?oz1<NcsVXrxjJ+m-Go+}xnNTVj$cJ+0`W0w@7;m-@B(y2<2
0OS$+?=<)^EOO%gHEKNKeT&p2_b*`Si$rk!koKq~FBOAz#7B&Lbsl4Lf9H3C*{%W8I_W$i2*Awy9Jkoi!VLS#h!=
3)1@!U<Ur+hEa%Wjmsq7W$HQuGtx_U2%9*zaDh(<6QXJkY9jew9gQ_G<$H_L>eb6@8U=4D^e?GoI3>{XTeqmUTHZ
B_%&sMqt+z^WADc))R;Z3y=sKWugF9LmH{}Pv}7tA!YZHG$CNj#FxNHX8%QJpBgMn!{F%*+`U8Yy%a_$XPy16Bxu
)QF0x3JO<@_9mB0)|JG_|nyru$EWOF3xiI@`<lWe2mv6dh5(}BU_2dPXk;qCH>#)^(IO(q{F`pm3x*$*8_H<T<*z
2DhCXr(voD<E(4AzpHrL-Kqoj)e3R@HK41X3O5;;P6&aHDiy;s0}QMJxGbE1bYg~yvgC%(P@@6u)AofA~))Y9R|G
B1ff7s1UE*c_Vftp#C!V>HU~4Y
""",
}
