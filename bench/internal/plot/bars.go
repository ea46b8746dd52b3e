package plot

import (
	"fmt"
	"math"
)

// Bar is one of a plot, with the range of its rounds.
type Bar struct {
	Name             string
	Value, Low, High float64
	// Own is what the plot is about; the others are there to compare it with.
	Own bool
}

// Bars is a plot of figures side by side, the axis logarithmic.
type Bars struct {
	Title, X string
	Bars     []Bar
	// Unit is told after each value.
	Unit string
}

// SVG draws it.
func (p Bars) SVG() string {
	const left, right, top, row = 300, 84, 46, 24
	var c canvas
	var values []float64
	for _, b := range p.Bars {
		values = append(values, b.Value, b.High, b.Low)
	}
	low, high := decades(values)
	x := scale{low, high, left, width - right, true}
	bottom := float64(top + row*len(p.Bars))
	c.text(20, 24, "start", "title", p.Title)
	for _, v := range x.ticks() {
		c.line(x.at(v), top-6, x.at(v), bottom+4, "grid")
		c.text(x.at(v), bottom+20, "middle", "", short(v))
	}
	for i, b := range p.Bars {
		y := float64(top + row*i)
		name, color := "", 7
		if b.Own {
			name, color = "strong", 0
		}
		c.text(left-10, y+15, "end", name, b.Name)
		fmt.Fprintf(&c, `<rect x="%.1f" y="%.1f" width="%.1f" height="%d" rx="2" class="%s bar"/>`+"\n", x.from, y+2, max(x.at(b.Value)-x.from, 1), row-7, class(color))
		if b.Low > 0 && b.High > b.Low*1.02 {
			c.line(x.at(b.Low), y+10.5, x.at(b.High), y+10.5, "range")
		}
		c.text(math.Max(x.at(b.Value), x.at(max(b.High, b.Value)))+6, y+15, "start", name, short(b.Value)+p.Unit)
	}
	c.line(x.from, top-6, x.from, bottom+4, "axis")
	c.text((x.from+x.to)/2, bottom+40, "middle", "", p.X)
	return c.finish(bottom+52, p.Title)
}
