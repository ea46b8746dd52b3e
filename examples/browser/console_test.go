package browser

import (
	"context"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func testConsole(t *testing.T, p program, chromium context.Context) {
	b, c := newTab(t, chromium), newTab(t, chromium)
	b.signUp(p, "Watched")
	c.open(p.console)
	c.see("Stigg emulator", "Revvenu", "customer-demo-01")
	c.look("30-console")

	c.fill("searchbox", "Search", "Watched")
	c.see("Customers (1)")
	who := evaluate[string](c, `document.querySelector("#customers button").dataset.id`)
	c.press("button", who+" Basic")
	c.see("Watched · ann@example.test", "Campaigns 0 / 4")
	for _, name := range []string{"Spring sale", "Easter"} {
		b.fill("textbox", "Name of the campaign", name)
		b.answers(b.follow("button", "Send"), http.StatusOK)
	}
	c.see("Campaigns 2 / 4", "reportUsageBulk")

	c.look("31-console-usage")

	c.choose("Plan", "Essentials")
	c.choose("Billed", "annually")
	c.fill("spinbutton", "Units", "7")
	c.press("button", "Provision")
	c.see("Essentials", "Templates 0 / 7", "Campaigns 0 / 12")
	b.see("Your plan: Essentials", "0 of 7", "0 of 12")

	c.choose("Feature", "Campaigns")
	c.fill("spinbutton", "Limit", "500")
	c.fill("spinbutton", "Days", "30")
	c.press("button", "Grant")
	c.see("/ 500")
	b.see("of 500")

	c.fill("combobox", "Operation", "paywall")
	c.choose("What happens", "answered with 503")
	c.fill("spinbutton", "How often", "1")
	c.press("button", "Inject")
	c.see(`"operation":"paywall"`)
	b.answers(b.open(p.url+"/plans"), http.StatusOK) // the client asked again
	c.see("503 (fault)", "No fault.")
	c.fill("combobox", "Operation", "coupons")
	c.fill("spinbutton", "How often", "")
	c.press("button", "Inject")
	c.see(`"operation":"coupons"`)
	c.look("32-console-fault")
	c.press("button", "Clear all")
	c.see("No fault.")

	c.focus("tab", "Requests")
	for _, kind := range []string{"Denials", "Events"} {
		must(c, "the next tab", chromedp.KeyEvent(kb.ArrowRight))
		if got := evaluate[string](c, `document.activeElement.textContent + document.activeElement.ariaSelected`); got != kind+"true" {
			t.Errorf("the arrow leads to %s, want %s", got, kind)
		}
	}
	c.see("entitlementsUpdated")
	c.look("33-console-events")

	c.fill("textbox", "New customer", "customer-of-the-console")
	c.press("button", "Add")
	c.see("customer-of-the-console", "no plan")
	c.press("button", "+31 days")
	b.open(p.url + "/app")
	b.see("0 of")
}
