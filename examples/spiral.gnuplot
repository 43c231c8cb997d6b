# Draws what examples/spiral.cpp wrote: gnuplot -e "folder='build/spiral'" examples/spiral.gnuplot
# First the contour lines of both energies, as tables.
set contour base; unset surface; set cntrparam levels discrete 0.01,0.03,0.08,0.2,0.4
set table folder.'/contours_F.txt'; splot folder.'/plane.txt' using 1:2:3; unset table
set table folder.'/contours_free.txt'; splot folder.'/plane.txt' using 1:2:4; unset table
unset contour; set surface

set terminal pngcairo size 1650,560 font "Sans,11"
set output folder.'/spiral.png'
set multiplot layout 1,3
set xrange [-1.2:1.2]; set yrange [-1.2:1.2]; set size ratio -1
set xlabel "y_1"; set ylabel "y_2"; set key below; set cblabel "energy"
set palette defined (0 "#08306b", 1 "#6baed6", 2 "#f7fbff")
set title "F(y) = min_z ||y - Wz||^2"
plot folder.'/plane.txt' using 1:2:3 with image notitle, \
     folder.'/contours_F.txt' with lines lc rgb "white" notitle, \
     folder.'/points.txt' with points pt 7 ps 0.25 lc rgb "black" title "points", \
     folder.'/prototypes.txt' with points pt 7 ps 1.1 lc rgb "red" title "prototypes"
set title "F_β(y), β = 60"
plot folder.'/plane.txt' using 1:2:4 with image notitle, \
     folder.'/contours_free.txt' with lines lc rgb "white" notitle, \
     folder.'/points.txt' with points pt 7 ps 0.25 lc rgb "black" title "points", \
     folder.'/prototypes.txt' with points pt 7 ps 1.1 lc rgb "red" title "prototypes"
set size noratio; set xrange [0:60]; set yrange [0.0055:0.025]; set logscale y; set ytics (0.006,0.007,0.008,0.01,0.015,0.02,0.03) ; set format y "%g"; set grid
set title "The same energy, the same start"
set xlabel "steps (one inference each)"; set ylabel "mean energy"
plot folder.'/curves.txt' using 1:2 with lines lw 2 lc rgb "red" title "coordinate descent", \
     folder.'/curves.txt' using 1:3 with lines lw 2 lc rgb "blue" title "gradient descent, best rate of 8", \
     folder.'/curves.txt' using 1:4 with lines lw 2 dt 2 lc rgb "blue" title "gradient descent, a quarter of that rate"
