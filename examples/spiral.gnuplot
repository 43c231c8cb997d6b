# Draws what examples/spiral.cpp wrote: gnuplot -e "folder='build/spiral'" examples/spiral.gnuplot
# First the contour lines of both energies, as tables.
set contour base; unset surface; set cntrparam levels discrete 0.01,0.03,0.1,0.3,1
set table folder.'/contours_F.txt'; splot folder.'/plane.txt' using 1:2:3; unset table
set cntrparam levels discrete -0.01,0,0.01,0.03,0.1,0.3,1
set table folder.'/contours_free.txt'; splot folder.'/plane.txt' using 1:2:4; unset table
unset contour; set surface

# Colours of Okabe and Ito (told apart by colour-blind readers), and shapes that differ in grey.
blue = "#0072B2"; orange = "#D55E00"; grey = "#666666"
set terminal pngcairo size 1560,1700 font "Sans,16"
set output folder.'/spiral.png'
set multiplot
height = 0.353
box(left, top) = sprintf("set lmargin at screen %g; set rmargin at screen %g; set tmargin at screen %g; set bmargin at screen %g; set key at screen %g, screen %g top center vertical Left reverse samplen 1.5 maxcols 1", left, left + 0.385, top, top - height, left + 0.19, top - height - 0.045)
set xrange [-1.2:1.2]; set yrange [-1.2:1.2]; set size ratio -1; set xtics 0.5; set ytics 0.5
set xlabel "y_1" offset 0,0.3; set ylabel "y_2" offset 1,0
set cblabel "energy" offset -2,0; set cbrange [0:0.3]; set cbtics ("0" 0, "0.1" 0.1, "0.2" 0.2, "≥0.3" 0.3)
set palette maxcolors 48 defined (0 "#ffffff", 0.03 "#e3eef7", 0.1 "#b5d0e8", 0.3 "#6f9fc8")

eval box(0.065, 0.97); unset colorbox
set title "Energy F(y), β = ∞: project to the nearest prototype"
plot folder.'/plane.txt' using 1:2:3 with image notitle, \
     folder.'/contours_F.txt' with lines lw 1 lc rgb grey notitle, \
     folder.'/points.txt' every 4 with points pt 7 ps 0.35 lc rgb "black" notitle, \
     folder.'/nearest.txt' with vectors head filled size 0.04,20 lw 2 lc rgb blue title "projection", \
     folder.'/prototypes.txt' with points pt 7 ps 1.5 lc rgb "black" notitle, \
     folder.'/prototypes.txt' with points pt 7 ps 1.1 lc rgb orange title "prototypes", \
     NaN with points pt 7 ps 0.6 lc rgb "black" title "points", \
     NaN with lines lw 1 lc rgb grey title "F = 0.01, 0.03, 0.1, 0.3, 1"

eval box(0.495, 0.97); set colorbox; unset ylabel
set title "Free energy F_β(y), β = 60: project by descent"
plot folder.'/plane.txt' using 1:2:4 with image notitle, \
     folder.'/contours_free.txt' with lines lw 1 lc rgb grey notitle, \
     folder.'/points.txt' every 4 with points pt 7 ps 0.35 lc rgb "black" notitle, \
     folder.'/prototypes.txt' with points pt 7 ps 1.5 lc rgb "black" notitle, \
     folder.'/prototypes.txt' with points pt 7 ps 1.1 lc rgb orange title "prototypes", \
     NaN with points pt 7 ps 0.6 lc rgb "black" title "points", \
     folder.'/paths.txt' with lines lw 2 lc rgb blue notitle, \
     folder.'/places.txt' with points pt 6 ps 0.9 lw 2 lc rgb blue notitle, \
     folder.'/ends.txt' with points pt 5 ps 0.8 lc rgb blue notitle, \
     NaN with linespoints pt 6 lw 2 lc rgb blue title "start and path of a descent", \
     NaN with linespoints pt 5 lw 2 lc rgb blue title "its end", \
     NaN with lines lw 1 lc rgb grey title "F_β = −0.01, 0, 0.01, 0.03, ..."

eval box(0.065, 0.462); unset colorbox; set ylabel "y_2" offset 1,0
set title "Complete: y_1 = 0.05 is given, y_2 is predicted, β = 60"
set arrow 1 from 0.05,-1.2 to 0.05,1.2 nohead dt 2 lw 1.5 lc rgb "black"
plot folder.'/points.txt' every 4 with points pt 7 ps 0.35 lc rgb "black" notitle, \
     folder.'/prototypes.txt' with points pt 7 ps 1.5 lc rgb "black" notitle, \
     folder.'/prototypes.txt' with points pt 7 ps 1.1 lc rgb orange title "prototypes", \
     NaN with points pt 7 ps 0.6 lc rgb "black" title "points", \
     folder.'/candidates.txt' using 1:2:(5*sqrt($3)) with points pt 7 ps variable lc rgb blue notitle, \
     NaN with points pt 7 ps 2 lc rgb blue title "the best four of 24, with probabilities", \
     folder.'/candidates.txt' using ($1+0.07):($2 + ($2 > 0 ? 0.09 : -0.09)):(sprintf("%.0f%%", 100*$3)) with labels left tc rgb blue font "Sans Bold,16" notitle, \
     folder.'/mean.txt' with points pt 2 ps 2.2 lw 4 lc rgb "black" title "mean (least squares)"
unset arrow 1

eval box(0.56, 0.462)
set title "Learning the prototypes: median of 15 starts"
set size noratio; set xrange [0:60]; set yrange [0.0055:0.035]; set logscale y
set xtics 10; set ytics (0.006,0.008,0.01,0.015,0.02,0.03); set format y "%g"; set grid
set xlabel "steps, each with one inference over all points"; set ylabel "mean of F over the points (log scale)" offset 0.5,0
set key at graph 0.98, graph 0.97 top right vertical Right noreverse samplen 4 maxcols 1
plot folder.'/race.txt' index 0 using 1:2:4 with filledcurves fs transparent solid 0.25 lc rgb orange notitle, \
     folder.'/race.txt' index 0 using 1:3 with lines lw 4 lc rgb orange title "coordinate descent; band: quartiles", \
     folder.'/race.txt' index 2 using 1:3 with lines lw 3 dt 4 lc rgb blue title "gradient descent, rate 2", \
     folder.'/race.txt' index 3 using 1:3 with lines lw 3 dt 2 lc rgb blue title "rate 4", \
     folder.'/race.txt' index 4 using 1:3 with lines lw 3 dt (18,6) lc rgb blue title "rate 8", \
     folder.'/race.txt' index 5 using 1:3 with lines lw 3 dt 5 lc rgb "black" title "rate 16, best of 1, 2, 4, ... 32", \
     folder.'/race.txt' index 6 using 1:3 with lines lw 3 dt 3 lc rgb "black" title "rate 32 (diverges)"
