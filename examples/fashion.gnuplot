# Draws what examples/fashion.cpp wrote: gnuplot -e "folder='build/fashion'" examples/fashion.gnuplot
set terminal pngcairo size 1200,420 font "Sans,11"
set palette gray negative; unset colorbox; unset xtics; unset ytics; unset border; set yrange [*:*] reverse
set size ratio -1; set cbrange [0:1]
set output folder.'/prototypes.png'
set title "256 prototypes of Fashion-MNIST learnt by K-means"
plot folder.'/prototypes.txt' matrix with image notitle
set terminal pngcairo size 900,1080 font "Sans,11"
set output folder.'/completions.png'
set title "Lower half hidden: image | what is seen | four candidates with their probability in % | mean of all"
plot folder.'/completions.txt' matrix with image notitle, \
     folder.'/probabilities.txt' using 1:2:(sprintf("%d%%", $3)) with labels left font "Sans,9" tc rgb "red" notitle
