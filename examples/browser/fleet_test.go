package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// fleetPage is the page of examples/fleet, and the Stigg that it shows.
type fleetPage struct {
	*tab
	stigg string
}

func TestTheFleetInChromium(t *testing.T) {
	says := startExample(t, "fleet", nil, "The page is at ", "The emulator's console is at ")
	p := fleetPage{newTab(t, startChromium(t)), says[1]}
	p.open(says[0])
	p.see("Never over the limit", "0 of 100 let in", "Replica 3")

	t.Run("a burst ends at the limit", func(*testing.T) {
		p.press("button", "Send 300 to each replica")
		p.see("100 of 100 let in", "100 requests let in, 800 refused.")
		p.answers(900)
		if n := p.number(1, "Admitted") + p.number(2, "Admitted") + p.number(3, "Admitted"); n != 100 {
			t.Errorf("the replicas have let in %d", n)
		}
		p.held(100)
		p.look("40-fleet-used-up")
	})
	t.Run("a replica is killed in a burst, and starts again", func(*testing.T) {
		p.newCustomer(2)
		p.press("button", "Send 300 to each replica")
		p.until("requests are let in", func() bool { return p.total() > 0 })
		p.press("button", "Kill replica 2")
		p.card(2, "killed")
		p.see("signal: killed")
		p.answers(900)
		if p.number(2, "Broken") == 0 {
			t.Error("no request broke off")
		}
		p.press("button", "Start replica 2")
		p.card(2, "serves")
	})
	t.Run("Redis is killed, and starts again", func(*testing.T) {
		p.newCustomer(3)
		p.press("button", "Kill Redis")
		p.until("Redis is killed", func() bool { return p.text("#redis-state") == "killed" })
		p.press("button", "Send 30 through the balancer")
		p.see("the store of the fleet can't be asked")
		p.answers(30)
		if n := p.number(1, "Unavailable") + p.number(2, "Unavailable") + p.number(3, "Unavailable"); n != 30 {
			t.Errorf("%d requests are answered 503", n)
		}
		p.look("41-fleet-without-redis")
		p.press("button", "Start Redis")
		p.until("Redis runs", func() bool { return p.text("#redis-state") == "runs" })
		p.useUp()
	})
	t.Run("a replica is cut off, and healed", func(*testing.T) {
		p.newCustomer(4)
		p.press("button", "Cut off replica 3")
		p.card(3, "cut off")
		p.press("button", "Send 300 to each replica")
		p.see("100 of 100 let in")
		p.answers(900)
		if admitted, unavailable := p.number(3, "Admitted"), p.number(3, "Unavailable"); admitted != 0 || unavailable == 0 {
			t.Errorf("the one that is cut off has let in %d, and answered 503 to %d", admitted, unavailable)
		}
		p.look("42-fleet-cut-off")
		p.press("button", "Heal replica 3")
		p.card(3, "serves")
		p.held(100)
	})
	t.Run("a limit that did not hold would be told", func(t *testing.T) {
		if told := evaluate[string](p.tab, overTheLimit); told != "verdict over: Over the limit by 3, 103 of 100" {
			t.Errorf("the page says %q", told)
		}
	})
}

// overTheLimit has the page show what did not happen.
const overTheLimit = `(() => {
  showVerdict({ Over: 3, Sending: 0, Replicas: [], Account: { Peak: 103, Limit: 100, Answered: 103 } });
  const peak = by("reason").textContent.match(/103 of 100/);
  return by("verdict").className + ": " + by("headline").textContent + ", " + peak;
})()`

// newCustomer has requests sent for a customer who has used nothing.
func (p fleetPage) newCustomer(n int) {
	p.t.Helper()
	p.press("button", "New customer")
	p.see(fmt.Sprintf("customer-%d, Basic plan", n), "0 of 100 let in")
}

// useUp sends requests until the limit is reached.
func (p fleetPage) useUp() {
	p.t.Helper()
	p.until("the limit is used up", func() bool {
		if p.total() < 100 {
			n := p.answered()
			p.press("button", "Send 30 through the balancer")
			p.answers(n + 30)
		}
		return p.total() == 100
	})
	p.held(100)
}

// answers waits until so many requests of the present customer are answered.
func (p fleetPage) answers(want int) {
	p.t.Helper()
	p.until(fmt.Sprintf("%d requests are answered", want), func() bool { return p.answered() == want && p.text("#running") == "0" })
}

func (p fleetPage) answered() int {
	p.t.Helper()
	return evaluate[int](p.tab, `["Admitted", "LimitIs", "Pending", "Unavailable", "Broken"]
	  .flatMap((name) => [...document.querySelectorAll('[data-n="' + name + '"]')]).reduce((sum, dd) => sum + Number(dd.textContent), 0)`)
}

// held asserts that the page says that the limit held, and that it shows what Stigg counts: so much.
func (p fleetPage) held(want int) {
	p.t.Helper()
	p.until("Stigg counts all", func() bool { return p.text("#counted") == strconv.Itoa(want) })
	customer, _, _ := strings.Cut(p.text("#customer"), ",")
	if got := p.counted(customer); got != float64(want) {
		p.t.Errorf("Stigg counts %v of %s, want %d", got, customer, want)
	}
	p.see("Never over the limit", fmt.Sprintf("At no time were more than %d of 100 let in.", want))
}

// counted is what the emulator says itself.
func (p fleetPage) counted(customer string) float64 {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.stigg+"/_emulator/customers?search="+customer, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	var found struct {
		Customers []struct {
			Levels []struct {
				Entitlements []struct {
					Usage float64 `json:"currentUsage"`
				}
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&found); err != nil || len(found.Customers) != 1 {
		p.t.Fatalf("%+v, %v", found, err)
	}
	return found.Customers[0].Levels[0].Entitlements[0].Usage
}

func (p fleetPage) text(selector string) string {
	p.t.Helper()
	return evaluate[string](p.tab, fmt.Sprintf(`document.querySelector(%q).textContent`, selector))
}

func (p fleetPage) total() int {
	p.t.Helper()
	n, err := strconv.Atoi(p.text("#total"))
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// number is one of a replica's card.
func (p fleetPage) number(replica int, name string) int {
	p.t.Helper()
	n, err := strconv.Atoi(p.text(fmt.Sprintf(`[aria-labelledby="replica-%d"] [data-n="%s"]`, replica, name)))
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// card waits for the state of a replica's card.
func (p fleetPage) card(replica int, state string) {
	p.t.Helper()
	p.until(fmt.Sprintf("replica %d is shown as %s", replica, state), func() bool {
		return p.text(fmt.Sprintf(`[aria-labelledby="replica-%d"] .state`, replica)) == state
	})
}
