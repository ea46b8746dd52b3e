package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stiggate/gate/bench/internal/measure"
)

// reportOf is RESULTS.md.
func reportOf(h *host, r measure.Results, plots []drawing) string {
	var b strings.Builder
	b.WriteString("# Results\n\n")
	fmt.Fprintf(&b, "Measured by `make bench`: %s.\n\n", h)
	b.WriteString("Figures are medians of interleaved rounds, with the lowest and the highest round in brackets. Ratios are taken\n" +
		"within a round. Nanoseconds are this machine's and of this hour: compare ratios.\n\n")
	goalsOf(&b, r)
	for _, g := range r {
		fmt.Fprintf(&b, "## %s\n\n%s\n\n", title(g.Name), g.Note)
		for _, d := range plots {
			if d.group == g.Name {
				fmt.Fprintf(&b, "![%s](plots/%s)\n\n", d.group, d.file)
			}
		}
		if curves := g.Curves(); len(curves) > 0 {
			curvesOf(&b, g, curves)
		} else {
			groupOf(&b, g)
		}
	}
	return b.String()
}

// goalsOf is the table of the goals.
func goalsOf(b *strings.Builder, r measure.Results) {
	b.WriteString("## Goals\n\n| | what | goal | measured | |\n|---|---|---|---|---|\n")
	met, measured, all := 0, 0, goals()
	for _, g := range all {
		rounds := g.figure(r)
		if len(rounds) == 0 {
			continue
		}
		measured++
		s := measure.SpreadOf(rounds)
		verdict := "**missed**"
		if g.bound.meets(s.Median) {
			met++
			verdict = "met"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", g.area, g.what, g.asks(), spread(s), verdict)
	}
	fmt.Fprintf(b, "\n%d of %d goals are met", met, measured)
	if measured < len(all) {
		fmt.Fprintf(b, "; %d are not measured in this run", len(all)-measured)
	}
	b.WriteString(".\n\n")
}

// groupOf is the table of one group.
func groupOf(b *strings.Builder, g measure.Group) {
	base, related := g.Find(g.Base)
	head, line := "| | figure |", "|---|---|"
	if related {
		head, line = head+" to "+g.Base+" |", line+"---|"
	}
	counted := slices.ContainsFunc(g.Series, func(s measure.Series) bool { return s.Counted })
	if counted {
		head, line = head+" allocs | bytes |", line+"---|---|"
	}
	fmt.Fprintf(b, "%s\n%s\n", head, line)
	for _, s := range g.Series {
		fmt.Fprintf(b, "| %s | %s %s |", s.Name, spread(s.Spread()), s.Unit)
		if related {
			cell := ""
			if s.Unit == base.Unit {
				cell = spread(measure.SpreadOf(measure.Ratio(s.Rounds, base.Rounds)))
			}
			fmt.Fprintf(b, " %s |", cell)
		}
		if counted {
			fmt.Fprintf(b, " %s | %s |", number(s.Allocs), number(s.Bytes))
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
}

// curvesOf is the table of a group that grows: a row for each curve.
func curvesOf(b *strings.Builder, g measure.Group, curves []measure.Curve) {
	b.WriteString("|")
	for _, s := range curves[0] {
		fmt.Fprintf(b, " | %s", number(s.At))
	}
	fmt.Fprintf(b, " | the last to the first |\n|%s\n", strings.Repeat("---|", len(curves[0])+2))
	for _, c := range curves {
		fmt.Fprintf(b, "| %s", c[0].Curve)
		for _, s := range c {
			fmt.Fprintf(b, " | %s", number(s.Spread().Median))
		}
		fmt.Fprintf(b, " | %s |\n", spread(measure.SpreadOf(measure.Ratio(c[len(c)-1].Rounds, c[0].Rounds))))
	}
	b.WriteString("\n")
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// spread is the median, and the lowest and the highest if they differ.
func spread(s measure.Spread) string {
	if number(s.Low) == number(s.High) {
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Low), number(s.High))
}

// number has three digits that say something, and all before the point.
func number(n float64) string {
	switch a := math.Abs(n); {
	case n == math.Trunc(n) || a >= 100:
		return grouped(fmt.Sprintf("%.0f", n))
	case a >= 10:
		return fmt.Sprintf("%.1f", n)
	case a >= 0.1:
		return fmt.Sprintf("%.2f", n)
	}
	return fmt.Sprintf("%.2g", n)
}

// grouped parts the thousands of a whole number.
func grouped(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// write keeps the report and its plots.
func write(dir, report string, plots []drawing) error {
	if err := os.MkdirAll(filepath.Join(dir, "plots"), 0o755); err != nil {
		return err
	}
	for _, d := range plots {
		if err := os.WriteFile(filepath.Join(dir, "plots", d.file), []byte(d.svg), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(report), 0o644)
}
