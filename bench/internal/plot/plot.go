// Package plot draws lines and bars as SVG that reads well on light and on dark pages.
package plot

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// width is of all plots, in pixels.
const width = 760

// style follows the reader's page: GitHub and browsers tell an image whether theirs is dark.
const style = `<style>
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600; fill: #1f2328 }
.strong { font-weight: 600; fill: #1f2328 }
.grid { stroke: #d8dee4; stroke-width: 1 }
.axis { stroke: #8c959f; stroke-width: 1 }
.line { fill: none; stroke-width: 2; stroke-linejoin: round }
.thin { stroke-width: 1.5; stroke-dasharray: 5 4 }
.range { stroke: #1f2328; stroke-width: 1; opacity: .55 }
.c0 { --c: #0969da } .c1 { --c: #bc4c00 } .c2 { --c: #1a7f37 } .c3 { --c: #8250df } .c4 { --c: #cf222e } .c5 { --c: #9a6700 } .c6 { --c: #0b7285 } .c7 { --c: #6e7781 }
.line, .lead { stroke: var(--c) } .dot, .bar { fill: var(--c) } .name { fill: var(--c); font-weight: 600 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 } .title, .strong { fill: #f0f6fc } .grid { stroke: #2f353d } .axis { stroke: #6e7681 } .range { stroke: #f0f6fc }
.c0 { --c: #58a6ff } .c1 { --c: #f0883e } .c2 { --c: #3fb950 } .c3 { --c: #bc8cff } .c4 { --c: #ff7b72 } .c5 { --c: #d29922 } .c6 { --c: #39c5cf } .c7 { --c: #8b949e }
}
</style>
`

// canvas is an SVG being written.
type canvas struct{ strings.Builder }

func (c *canvas) text(x, y float64, anchor, class, s string) {
	fmt.Fprintf(c, `<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>`+"\n", x, y, anchor, class, html.EscapeString(s))
}

func (c *canvas) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(c, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`+"\n", x1, y1, x2, y2, class)
}

// finish is the whole image.
func (c *canvas) finish(height float64, title string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %.0f" width="%d" height="%.0f" role="img" aria-label="%s">`+"\n%s%s</svg>\n",
		width, height, width, height, html.EscapeString(title), style, c.String())
}

// class is of the i-th color.
func class(i int) string { return fmt.Sprintf("c%d", i%8) }

// scale takes a value to a place on an axis.
type scale struct {
	low, high float64 // of the values, both included
	from, to  float64 // of the places
	log       bool
}

func (s scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		v, low, high = math.Log10(v), math.Log10(low), math.Log10(high)
	}
	return s.from + (s.to-s.from)*(v-low)/(high-low)
}

// decades are a logarithmic scale's that holds the values.
func decades(values []float64) (low, high float64) {
	low, high = math.Inf(1), 0
	for _, v := range values {
		if v > 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	if high == 0 {
		return 1, 10
	}
	low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high)))
	if low == high {
		high *= 10
	}
	return low, high
}

// ticks are where a scale has its lines.
func (s scale) ticks() []float64 {
	var all []float64
	if s.log {
		for v := s.low; v <= s.high*1.001; v *= 10 {
			all = append(all, v)
		}
		return all
	}
	step := math.Pow(10, math.Floor(math.Log10(s.high-s.low)))
	for (s.high-s.low)/step < 4 {
		step /= 2
	}
	for v := s.low; v <= s.high*1.001; v += step {
		all = append(all, v)
	}
	return all
}

// short is a number as an axis tells it: 1k, 1M.
func short(v float64) string {
	for _, unit := range []struct {
		of   float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= unit.of {
			return fmt.Sprintf("%.3g%s", v/unit.of, unit.name)
		}
	}
	return fmt.Sprintf("%.3g", v)
}
