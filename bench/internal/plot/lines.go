package plot

import (
	"fmt"
	"slices"
	"strings"
)

// Line is one of a plot.
type Line struct {
	Name string
	X, Y []float64
	// Color is its number; lines of one number belong together.
	Color int
	// Reference draws it thin: something to compare the others with.
	Reference bool
}

// Lines is a plot of what grows, both axes logarithmic, so that what grows as fast as x is a line of
// its slope and what stays the same is level.
type Lines struct {
	Title, X, Y string
	Lines       []Line
}

// SVG draws it.
func (p Lines) SVG() string {
	const left, right, top, bottom, height = 64, 250, 52, 50, 420
	var c canvas
	var xs, ys []float64
	for _, l := range p.Lines {
		xs, ys = append(xs, l.X...), append(ys, l.Y...)
	}
	x := scale{slices.Min(xs), slices.Max(xs), left, width - right, true}
	lowest, highest := decades(ys)
	y := scale{lowest, highest, height - bottom, top, true}
	c.text(left-44, 24, "start", "title", p.Title)
	c.text(left-44, 42, "start", "", p.Y)
	for _, v := range y.ticks() {
		c.line(x.from, y.at(v), x.to, y.at(v), "grid")
		c.text(left-8, y.at(v)+4, "end", "", short(v))
	}
	points := slices.Compact(slices.Sorted(slices.Values(xs)))
	for _, v := range points {
		c.line(x.at(v), y.from, x.at(v), y.from+5, "axis")
		c.text(x.at(v), y.from+20, "middle", "", short(v))
	}
	c.line(x.from, y.from, x.to, y.from, "axis")
	c.text((x.from+x.to)/2, height-10, "middle", "", p.X)
	for _, l := range p.Lines {
		l.draw(&c, x, y)
	}
	p.names(&c, x, y)
	return c.finish(height, p.Title)
}

func (l Line) draw(c *canvas, x, y scale) {
	var path strings.Builder
	for i := range l.X {
		fmt.Fprintf(&path, "%.1f,%.1f ", x.at(l.X[i]), y.at(l.Y[i]))
	}
	of := class(l.Color) + " line"
	if l.Reference {
		of += " thin"
	}
	fmt.Fprintf(c, `<polyline points="%s" class="%s"/>`+"\n", strings.TrimSpace(path.String()), of)
	if l.Reference {
		return
	}
	for i := range l.X {
		fmt.Fprintf(c, `<circle cx="%.1f" cy="%.1f" r="3" class="%s dot"/>`+"\n", x.at(l.X[i]), y.at(l.Y[i]), class(l.Color))
	}
}

// names are beside the lines' ends, apart from each other.
func (p Lines) names(c *canvas, x, y scale) {
	const apart = 16
	lines := slices.Clone(p.Lines)
	end := func(l Line) float64 { return y.at(l.Y[len(l.Y)-1]) }
	slices.SortStableFunc(lines, func(a, b Line) int { return int(10 * (end(a) - end(b))) })
	places := make([]float64, len(lines))
	for i, l := range lines {
		places[i] = end(l)
		if i > 0 {
			places[i] = max(places[i], places[i-1]+apart)
		}
	}
	// What was pushed below the plot moves up, and those above it with it.
	for i := len(places) - 1; i >= 0; i-- {
		limit := y.from
		if i < len(places)-1 {
			limit = places[i+1] - apart
		}
		places[i] = min(places[i], limit)
	}
	for i, l := range lines {
		fmt.Fprintf(c, `<path d="M%.1f %.1f L%.1f %.1f" class="%s lead" fill="none" opacity=".5"/>`+"\n", x.to+5, end(l), x.to+20, places[i], class(l.Color))
		c.text(x.to+24, places[i]+4, "start", class(l.Color)+" name", l.Name)
	}
}
