# Draws what examples/fashion.cpp wrote: gnuplot -e "folder='build/fashion'" examples/fashion.gnuplot
load folder.'/about.gnuplot'
stats folder.'/prototypes.txt' matrix nooutput prefix "grid"
set palette gray negative; unset colorbox; unset xtics; unset ytics; unset border; set size ratio -1
set lmargin 0; set rmargin 0; set bmargin 0; set tmargin 2.5

# At most 1500 wide, and at most 12 pixels of the picture a pixel of an image.
scale = grid_size_x * 12 > 1500 ? 1500.0 / grid_size_x : 12
set terminal pngcairo size (scale * grid_size_x < 1000 ? 1000 : scale * grid_size_x), scale * grid_size_y + 60 font "Sans,18"
set output folder.'/prototypes.png'
set title sprintf("The %d prototypes of %s learnt by K-means, those with the most points first", k, name) noenhanced offset 0,-0.5
set xrange [-0.5:grid_size_x - 0.5]; set yrange [grid_size_y - 0.5:-0.5]
plot folder.'/prototypes.txt' matrix with image notitle

if (candidates > 0) {
    set xrange [*:*]; set yrange [*:*]
    stats folder.'/completions.txt' matrix nooutput prefix "grid"
    set terminal pngcairo size 4 * grid_size_x + 330, 4 * grid_size_y + 60 font "Sans,17"
    set output folder.'/completions.png'
    set lmargin at screen 330.0 / (4 * grid_size_x + 330); set rmargin at screen 1
    set title sprintf("Held-out images whose lower half is hidden, completed; probabilities at β = %.2g", beta) offset 0,-0.5
    set xrange [-0.5:grid_size_x - 0.5]; set yrange [grid_size_y - 0.5:-0.5]; set cbrange [0:1]
    step = grid_size_y / (candidates + 3)
    row(i, name) = sprintf("set label %d \"%s\" at -5, %g right", i + 1, name, i * step + 14)
    eval row(0, "held-out image"); eval row(1, "what is seen")
    do for [c = 1:candidates] { eval row(c + 1, sprintf("candidate %d", c)) }
    eval row(candidates + 2, "mean of all (least squares)")
    plot folder.'/completions.txt' matrix with image notitle, \
         folder.'/probabilities.txt' using 1:2:(sprintf("%.0f%%", $3)) with labels font "Sans,15" notitle
}
