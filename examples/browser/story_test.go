package browser

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

func TestTheProductAndTheConsoleInChromium(t *testing.T) {
	p, chromium := startProgram(t), startChromium(t)
	t.Run("a customer signs up, uses up the plan, buys, cancels and leaves", func(t *testing.T) { testStory(t, p, chromium) })
	t.Run("what an admin gives is felt by an open page", func(t *testing.T) { testGift(t, p, chromium) })
	t.Run("the emulator's console shows and changes a customer", func(t *testing.T) { testConsole(t, p, chromium) })
}

// signUp opens the product and makes an account.
func (b *tab) signUp(p program, company string) {
	b.t.Helper()
	b.open(p.url)
	b.fill("textbox", "Company", company)
	b.fill("textbox", "Email", "ann@example.test")
	b.answers(b.follow("button", "Create the account"), http.StatusOK)
	b.see("Your plan: Basic", "0 of 4", "0 of 3")
}

func (b *tab) answers(status int64, want int) {
	b.t.Helper()
	if status != int64(want) {
		b.t.Fatalf("the page was answered with %d, want %d:\n%s", status, want, evaluate[string](b, `document.body.innerText`))
	}
}

func testStory(t *testing.T, p program, chromium context.Context) {
	b := newTab(t, chromium)
	b.open(p.url)
	b.look("01-welcome")
	b.signUp(p, "Acme")
	b.see("Welcome! You are on the Basic plan.")
	b.look("02-dashboard-new")

	for i, name := range []string{"Spring sale", "Easter", "Summer sale", "Back to school"} {
		b.fill("textbox", "Name of the campaign", name)
		b.answers(b.follow("button", "Send"), http.StatusOK)
		b.see(name, string(rune('1'+i))+" of 4")
	}
	b.fill("textbox", "Name of the template", "Newsletter")
	b.answers(b.follow("button", "Make"), http.StatusOK)
	b.see("Newsletter", "1 of 3")
	b.look("03-dashboard-used-up")

	b.fill("textbox", "Name of the campaign", "One too many")
	b.answers(b.follow("button", "Send"), http.StatusPaymentRequired)
	b.refused(p.url + "/campaigns")
	b.see("4 of 4", "See plans")
	b.look("04-refused")

	b.answers(b.follow("link", "See plans"), http.StatusOK)
	b.see("Basic", "Your plan", "Essentials", "$30.00 a month", "Professional", "Talk to us")
	b.look("05-plans")
	b.follow("link", "Yearly")
	b.see("$300.00 a year")
	b.look("06-plans-yearly")
	b.follow("link", "Monthly")
	b.see("$30.00 a month")

	b.answers(b.follow("link", "Choose Essentials"), http.StatusOK)
	b.see("Due now $30.00")
	b.fill("textbox", "Coupon", "SUMMER20")
	b.answers(b.follow("button", "Update the estimate"), http.StatusOK)
	b.see("Summer Sale", "Due now $24.00")
	b.look("07-checkout")

	b.answers(b.follow("button", "Continue to payment"), http.StatusOK)
	b.see("Due now 24.00 USD")
	b.look("08-payment")
	b.answers(b.follow("button", "Let the payment fail"), http.StatusOK)
	b.see("The card was declined.")
	b.look("09-payment-failed")

	watching := b.another() // an open page must feel the upgrade
	watching.open(p.url + "/app")
	watching.see("Your plan: Basic", "4 of 4")
	b.answers(b.follow("button", "Pay 24.00 USD"), http.StatusOK)
	b.see("Your plan: Essentials", "0 of 12")
	watching.see("Your plan: Essentials", "0 of 12")
	b.look("10-dashboard-upgraded")

	b.fill("textbox", "Name of the campaign", "Autumn sale")
	b.answers(b.follow("button", "Send"), http.StatusOK)
	b.see("Autumn sale", "1 of 12")
	b.answers(b.follow("link", "Analytics"), http.StatusOK)
	b.see("What you sent")
	b.look("11-analytics")

	b.answers(b.follow("link", "Billing"), http.StatusOK)
	b.fill("spinbutton", "10 campaigns", "2")
	b.answers(b.follow("button", "Estimate"), http.StatusOK)
	b.see("Due now")
	b.look("12-billing-estimate")
	b.answers(b.follow("button", "Change"), http.StatusOK)
	b.see("The add-ons are changed.", "2 × 10 campaigns")
	watching.see("1 of 32")

	ends := evaluate[string](b, `[...document.querySelectorAll("dt")].find((dt) => dt.textContent === "Period ends").nextElementSibling.textContent`)
	b.answers(b.follow("button", "Cancel the subscription"), http.StatusOK)
	b.see("The subscription is canceled.", "Canceled, ends "+ends)
	b.look("13-billing-canceled")
	b.answers(b.follow("link", "Dashboard"), http.StatusOK)
	b.see("Your plan: Essentials", "Canceled; it ends on "+ends)
	b.look("14-dashboard-canceled")

	b.follow("link", "Billing")
	b.tick("Yes, delete everything")
	b.answers(b.follow("button", "Close the account"), http.StatusOK)
	b.see("The account is closed", "Start for free")
	watching.see("Start for free") // what was open is nobody's now
	b.look("15-closed")
	b.open(p.url + "/app")
	b.see("Start for free")
}

func testGift(t *testing.T, p program, chromium context.Context) {
	b, admin := newTab(t, chromium), newTab(t, chromium)
	b.signUp(p, "Gifted")
	b.answers(b.follow("link", "Analytics"), http.StatusPaymentRequired)
	b.refused(p.url + "/analytics")
	b.see("Analytics comes with a larger plan.", "See plans")
	b.look("20-refused-feature")
	b.answers(b.follow("link", "Dashboard"), http.StatusOK)
	b.unseen("Analytics and")

	admin.open(strings.Replace(p.url, "http://", "http://admin:"+adminPassword+"@", 1) + "/admin")
	admin.choose("Account", "Gifted")
	admin.choose("Gift", "Analytics")
	admin.look("21-admin")
	admin.answers(admin.follow("button", "Give it"), http.StatusOK)
	admin.see("It is given.")

	b.see("Included: Analytics")
	b.answers(b.follow("link", "Analytics"), http.StatusOK)
	b.see("What you sent")
	b.answers(b.follow("link", "Billing"), http.StatusOK)
	b.see("Gifts from us", "Analytics until")
	b.look("22-billing-gift")
}
