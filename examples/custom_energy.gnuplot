# Draws what examples/custom_energy wrote: gnuplot -e "folder='build/custom_energy'" examples/custom_energy.gnuplot
set contour base; unset surface; set cntrparam levels discrete 0.5,2,4.5
set table folder.'/contours.txt'; splot folder.'/plane.txt' using 1:2:3; unset table
unset contour; set surface
set terminal pngcairo size 620,600 font "Sans,12.5" linewidth 0.75
set output folder.'/custom_energy.png'
set title "An energy of one's own, two moons, and draws of exp(−E)"
set size square; set xrange [-3:3]; set yrange [-3:3]; set xtics 1; set ytics 1
set xlabel "x_1"; set ylabel "x_2"
set key outside bottom center vertical Left reverse samplen 2 maxcols 1
band(e) = e < 0.5 ? 0 : e < 2 ? 1 : e < 4.5 ? 2 : 3
set palette maxcolors 4 defined (0 "#c3d3de", 1 "#dbe5ec", 2 "#eef3f6", 3 "#ffffff"); set cbrange [0:3]; unset colorbox
plot folder.'/plane.txt' using 1:2:(band($3)) with image notitle, \
     folder.'/draws.txt' with points pt 7 ps 0.5 lc rgb "#D55E00" notitle, \
     folder.'/contours.txt' with lines lw 1.5 lc rgb "#666666" notitle, \
     NaN with points pt 7 ps 1 lc rgb "#D55E00" title "1,600 of 256,000 draws of 256 chains, HMC", \
     NaN with lines lw 1.5 lc rgb "#666666" title "E = 0.5, 2, 4.5"
