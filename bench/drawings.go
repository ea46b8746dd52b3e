package main

import (
	"strings"

	"github.com/stiggate/gate/bench/internal/growth"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/middleware"
	"github.com/stiggate/gate/bench/internal/pipeline"
	"github.com/stiggate/gate/bench/internal/plot"
)

// drawing is the plot of a group; of the pipeline, of several, of which it stands at the first.
type drawing struct{ group, file, svg string }

// drawings are those of what was measured.
func drawings(r measure.Results) []drawing {
	var all []drawing
	for _, g := range r {
		name := strings.NewReplacer(", ", "-", " ", "-", "/", "-", "'", "").Replace(g.Name) + ".svg"
		switch {
		case strings.HasPrefix(g.Name, "check, "):
			all = append(all, drawing{g.Name, name, checkBars(g)})
		case g.Name == middleware.Group("net/http"):
			all = append(all, drawing{g.Name, name, middlewareBars(g)})
		case g.Name == pipeline.Disk(pipeline.Writers[0]):
			all = append(all, drawing{g.Name, "pipeline.svg", writerLines(r)})
		case strings.HasPrefix(g.Name, "growth "):
			all = append(all, drawing{g.Name, name, growthLines(g)})
		}
	}
	return all
}

// oneCore is a contestant's name without its cores; false if it has several.
func oneCore(name string) (string, bool) { return strings.CutSuffix(name, ", 1 core") }

func checkBars(g measure.Group) string {
	p := plot.Bars{Title: "A " + g.Name + ", on one core", X: "times a copy-on-write map lookup + one clock read", Unit: " x"}
	base, _ := g.Find(g.Base)
	for _, s := range g.Series {
		if name, ok := oneCore(s.Name); ok {
			of := measure.SpreadOf(measure.Ratio(s.Rounds, base.Rounds))
			p.Bars = append(p.Bars, bar(name, of))
		}
	}
	return p.SVG()
}

func bar(name string, of measure.Spread) plot.Bar {
	return plot.Bar{Name: name, Value: of.Median, Low: of.Low, High: of.High, Own: strings.HasPrefix(name, "Gate")}
}

func middlewareBars(g measure.Group) string {
	p := plot.Bars{Title: "What a middleware adds to a request, net/http, on one core", X: "nanoseconds", Unit: " ns"}
	base, _ := g.Find(g.Base)
	for _, s := range g.Series {
		name, ok := oneCore(s.Name)
		of := measure.SpreadOf(measure.Minus(s.Rounds, base.Rounds))
		if ok && s.Name != g.Base && name != middleware.Check && of.Median > 0 {
			p.Bars = append(p.Bars, bar(name, of))
		}
	}
	return p.SVG()
}

// writerLines are usages a second by writers.
func writerLines(r measure.Results) string {
	p := plot.Lines{Title: "Usage kept on the disk", X: "writers at the same time", Y: "usages a second"}
	for i, name := range []string{pipeline.Whole, pipeline.Batch, pipeline.Append, pipeline.Sync} {
		l := plot.Line{Name: name, Color: i, Reference: name == pipeline.Sync}
		for _, n := range pipeline.Writers {
			if s, ok := r.Find(pipeline.Disk(n), name); ok {
				l.X, l.Y = append(l.X, float64(n)), append(l.Y, s.Spread().Median)
			}
		}
		p.Lines = append(p.Lines, l)
	}
	return p.SVG()
}

// growthLines are a group's curves. Those without Gate have the color of the same with it.
func growthLines(g measure.Group) string {
	p := plot.Lines{Title: strings.ToUpper(g.Name[:1]) + g.Name[1:], X: "paths", Y: "nanoseconds on one core"}
	switch g.Name {
	case growth.Customers:
		p.X = "customers"
	case growth.Features:
		p.X = "features of a customer"
	}
	colors := map[string]int{}
	for _, c := range g.Curves() {
		name, bare := strings.CutSuffix(c[0].Curve, growth.WithoutGate)
		if _, known := colors[name]; !known {
			colors[name] = len(colors)
		}
		l := plot.Line{Name: c[0].Curve, Color: colors[name], Reference: bare || name == growth.Floor}
		for _, s := range c {
			l.X, l.Y = append(l.X, s.At), append(l.Y, max(s.Spread().Median, 0.1))
		}
		p.Lines = append(p.Lines, l)
	}
	return p.SVG()
}
