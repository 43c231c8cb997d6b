# Draws what examples/sample.cpp wrote: gnuplot -e "folder='build/sample'" examples/sample.gnuplot
# First the contour lines of E, as tables: within the first three lie 39, 86 and 99% of exp(-E).
set contour base; unset surface; set cntrparam levels discrete 0.5,2,4.5
set table folder.'/contours.txt'; splot folder.'/plane.txt' using 1:2:3; unset table
set cntrparam levels discrete 10,20,40,80
set table folder.'/higher.txt'; splot folder.'/plane.txt' using 1:2:3; unset table
unset contour; set surface

# Colours of Okabe and Ito (told apart by colour-blind readers), one for each chain; darkness and numbers differ too.
array colour[3] = ["#0072B2", "#D55E00", "#009E73"]
grey = "#666666"; pale = "#aaaaaa"
set terminal pngcairo size 1040,1020 font "Sans,12.5" linewidth 0.75 pointscale 0.7
set output folder.'/sample.png'
set multiplot
height = 0.35
box(left, top) = sprintf("set lmargin at screen %g; set rmargin at screen %g; set tmargin at screen %g; set bmargin at screen %g; set key at screen %g, screen %g top center vertical Left reverse samplen 2 maxcols 1", left, left + 0.41, top, top - height, left + 0.2, top - height - 0.06)
set xrange [-7:7]; set yrange [-5:9]; set xtics 2; set ytics 2
set xlabel "x_1" offset 0,0.3; set ylabel "x_2" offset 1,0
# A colour for each band between the contours: that looks like what it is, and makes a small file.
band(e) = e < 0.5 ? 0 : e < 2 ? 1 : e < 4.5 ? 2 : 3
set palette maxcolors 4 defined (0 "#c3d3de", 1 "#dbe5ec", 2 "#eef3f6", 3 "#ffffff"); set cbrange [0:3]; unset colorbox

eval box(0.07, 0.955)
set title "Down the energy, without kicks and with them"
plot folder.'/plane.txt' using 1:2:(band($3)) with image notitle, \
     folder.'/higher.txt' with lines lw 1 lc rgb pale notitle, \
     folder.'/contours.txt' with lines lw 1.5 lc rgb grey notitle, \
     for [c = 1:3] folder.'/langevin.txt' index c - 1 with lines lw 2 lc rgb colour[c] notitle, \
     folder.'/descents.txt' with lines lw 5 lc rgb "black" notitle, \
     for [c = 1:3] folder.'/descents.txt' index c - 1 every ::0::0 with points pt 7 ps 4 lc rgb colour[c] notitle, \
     for [c = 1:3] folder.'/descents.txt' index c - 1 every ::0::0 using 1:2:(sprintf("%d", c)) with labels tc rgb "white" font "Sans Bold,11.5" notitle, \
     NaN with lines lw 5 lc rgb "black" title "gradient descent, 150 steps from 1, 2, 3", \
     NaN with lines lw 2 lc rgb colour[1] title "the same with noise: unadjusted Langevin", \
     NaN with lines lw 1.5 lc rgb grey title "E = 0.5, 2, 4.5; paler: 10, 20, 40, 80"

eval box(0.565, 0.955)
set title "Draws of exp(−E) by Hamiltonian Monte Carlo"
plot folder.'/plane.txt' using 1:2:(band($3)) with image notitle, \
     folder.'/draws.txt' every 32 with points pt 7 ps 0.6 lc rgb colour[1] notitle, \
     folder.'/contours.txt' with lines lw 1.5 lc rgb grey notitle, \
     NaN with points pt 7 ps 1 lc rgb colour[1] title "1,000 of 32,000 draws of 64 chains", \
     NaN with lines lw 1.5 lc rgb grey title "E = 0.5, 2, 4.5: 39, 86, 99% lie within"

eval box(0.07, 0.42)
set title "Three Hamiltonian chains forget where they began"
set xrange [-6:150]; set yrange [-8:46]; set xtics 25; set xlabel "draw"; set ylabel "x_1" offset 0.5,0
set ytics ()
do for [c = 1:3] {
    base = 16 * (3 - c)
    set object c rectangle from -6, base - 4 to 150, base + 4 fc rgb "#dbe5ec" fs solid noborder behind
    set ytics add ("-6" base - 6, "0" base, "6" base + 6)
}
unset key
set label 1 "shaded: 95% of x_1, exactly" at 148, 43 right
plot for [c = 1:3] folder.'/traces.txt' index c - 1 using 0:($1 + 16 * (3 - c)) with lines lw 2 lc rgb colour[c], \
     for [c = 1:3] folder.'/traces.txt' index c - 1 every ::0::0 using 0:($1 + 16 * (3 - c)) with points pt 7 ps 4 lc rgb colour[c], \
     for [c = 1:3] folder.'/traces.txt' index c - 1 every ::0::0 using 0:($1 + 16 * (3 - c)):(sprintf("%d", c)) with labels tc rgb "white" font "Sans Bold,11.5"
unset label 1; unset object 1; unset object 2; unset object 3

eval box(0.565, 0.42)
set title "Draws of x_2 against the exact density"
set xrange [-5:9]; set yrange [0:*]; set xtics 2; set ytics 0.1; set xlabel "x_2"; set ylabel "density"
set key at graph 0.98, graph 0.96 top right vertical Right noreverse samplen 2 maxcols 1
width = 0.25
plot folder.'/draws.txt' using (width * floor($2 / width)):(1 / (32000 * width)) smooth frequency with fillsteps fs solid 0.35 noborder lc rgb colour[1] title "32,000 draws", \
     folder.'/density.txt' with lines lw 3 lc rgb "black" title "exact"
unset multiplot

# Eight schools: traces of three chains, and all draws against the exact densities.
reset
set terminal pngcairo size 1040,760 font "Sans,12.5" linewidth 0.75 pointscale 0.7
set output folder.'/schools.png'
stats folder.'/schools.txt' using 1 nooutput
set multiplot layout 2,2 margins screen 0.075, 0.985, 0.08, 0.945 spacing screen 0.085, 0.14
shown = 300
array name[2] = ["μ", "log τ"]; array least[2] = [-12, 0.5]; array most[2] = [24, 4.5]; array width[2] = [0.5, 0.1]
array exact[2] = ["mu", "log_tau"]
do for [v = 1:2] {
    height = most[v] - least[v]
    set title sprintf("%s: the first %d draws of three chains", name[v], shown)
    set xrange [0:shown]; set yrange [0:3.2 * height]; set xtics 50; set xlabel "draw" offset 0,0.3
    set ylabel name[v] offset 0.5,0; set ytics (); unset key
    do for [c = 1:3] {
        do for [t = 1:2] {
            at = v == 1 ? 12 * t - 12 : t + 1
            set ytics add (sprintf("%g", at) at - least[v] + 1.1 * height * (3 - c))
        }
    }
    plot for [c = 1:3] folder.'/schools_traces.txt' index c - 1 every ::0::shown using 0:(column(v) - least[v] + 1.1 * height * (3 - c)) with lines lw 1.5 lc rgb colour[c]
    set title sprintf("%s: %d draws against the exact density", name[v], STATS_records)
    set xrange [least[v]:most[v]]; set yrange [0:*]; set xlabel name[v]; set ylabel "density" offset 1,0
    if (v == 1) {
        set xtics -10,5; set ytics 0,0.02
    } else {
        set xtics 0,1; set ytics 0,0.2
    }
    set key at graph 0.98, graph 0.96 top right vertical Right noreverse samplen 2 maxcols 1
    plot folder.'/schools.txt' using (width[v] * floor(column(v) / width[v])):(1.0 / (STATS_records * width[v])) smooth frequency with fillsteps fs solid 0.35 noborder lc rgb colour[1] title "draws", \
         folder.'/schools_'.exact[v].'.txt' with lines lw 3 lc rgb "black" title "exact"
}
unset multiplot
