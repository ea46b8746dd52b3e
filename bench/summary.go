package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/stiggate/gate/bench/internal/measure"
)

// The marks around the table in a document.
const (
	begins = "<!-- The table is written by make bench. -->\n"
	ends   = "<!-- The end of the table. -->\n"
)

// summary is the goals' table with one row for what is asked of several: of 1k and 100k customers, of
// four routers.
func summary(h *host, r measure.Results) string {
	type row struct{ family, what, goal string }
	var rows []row
	cells := map[row][]string{}
	met, measured := 0, 0
	for _, g := range goals() {
		rounds := g.figure(r)
		if len(rounds) == 0 {
			continue
		}
		measured++
		family, of, _ := strings.Cut(g.area, ", ")
		to := row{family, g.what, g.asks()}
		if cells[to] == nil {
			rows = append(rows, to)
		}
		cell := number(measure.Median(rounds))
		if g.bound.meets(measure.Median(rounds)) {
			met++
		} else {
			cell = "**" + cell + "**"
		}
		if of != "" {
			cell += " (" + of + ")"
		}
		cells[to] = append(cells[to], cell)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s. %d of %d goals are met; what is **bold** is missed.\n\n| | | goal | measured |\n|---|---|---|---|\n", h, met, measured)
	family := ""
	for _, row := range rows {
		name := ""
		if row.family != family {
			name, family = row.family, row.family
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, row.what, row.goal, strings.Join(cells[row], ", "))
	}
	return b.String()
}

// summarize puts the summary between the marks of a document.
func summarize(file, table string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begins)
	_, after, also := strings.Cut(rest, ends)
	if !ok || !also {
		return fmt.Errorf("%s has no marks %q and %q around its table", file, strings.TrimSpace(begins), strings.TrimSpace(ends))
	}
	return os.WriteFile(file, []byte(before+begins+"\n"+table+"\n"+ends+after), 0o644)
}
