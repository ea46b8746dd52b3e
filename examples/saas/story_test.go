package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestTheStoryOfACustomer(t *testing.T) {
	p := start(t)
	b := p.browser(t)

	b.post("/signup", "name", "Acme", "email", "ann@acme.test").leadsTo("/app?note=welcome")
	b.get("/app").has(http.StatusOK, "Your plan: Basic", "0 of 4", "0 of 3")
	who := p.customer(t)

	live := b.listen(t)
	for range 4 {
		b.post("/campaigns", "name", "spring").leadsTo("/app?note=campaign")
	}
	live.until("/app/usage", "4 of 4") // while it is on its way, a count may have it twice
	b.post("/campaigns", "name", "spring").has(http.StatusPaymentRequired, "4 of 4", p.url+"/plans?feature=feature-02-campaigns")
	b.get("/analytics").has(http.StatusPaymentRequired, "Analytics comes with a larger plan")

	b.get("/plans").has(http.StatusOK, "Basic", "Your plan", "Essentials", "$30.00", "a month", "$6.00 for each more", "Professional")
	b.get("/plans?period=ANNUALLY").has(http.StatusOK, "$300.00", "a year")

	const order = "/checkout?plan=plan-revvenu-essentials&units=5"
	b.get(order).has(http.StatusOK, `<dd id="due">$30.00`)
	b.get(order+"&addon-10-campaigns=5").has(http.StatusOK, `<dd id="due">$55.00`)
	b.get(order+"&coupon=NOPE").has(http.StatusUnprocessableEntity, "There is no such coupon", `<dd id="due">$30.00`)
	b.get(order+"&coupon=SUMMER20").has(http.StatusOK, "Summer Sale", `<dd id="due">$24.00`)

	paid := b.post("/checkout", "plan", "plan-revvenu-essentials", "units", "5", "coupon", "SUMMER20")
	if paid.status != http.StatusSeeOther || !strings.HasPrefix(paid.location, p.stigg.URL()+"/") {
		t.Fatalf("buying answers %d and leads to %q, want the checkout page", paid.status, paid.location)
	}
	b.get("/app/usage").has(http.StatusOK, "Your plan: Basic") // nothing is paid
	b.at(paid.location, "do", "fail").has(http.StatusOK, "declined")
	b.at(paid.location, "do", "pay").leadsTo("/app?note=upgraded")
	live.until("/app/usage", "Your plan: Essentials", "0 of 12") // a new subscription starts a new period

	b.post("/campaigns", "name", "summer").leadsTo("/app?note=campaign")
	live.until("/app/usage", "1 of 12")
	b.get("/analytics").has(http.StatusOK, "<dd>5</dd>")
	b.get("/plans").has(http.StatusOK, "Your plan")

	b.get("/billing?estimate=1&addon-10-campaigns=2").has(http.StatusOK, "Due now")
	b.post("/billing/addons", "addon-10-campaigns", "2").leadsTo("/billing?note=addons")
	b.get("/billing").has(http.StatusOK, "2 × 10 campaigns", "Essentials")
	live.until("/app/usage", "1 of 32")

	ends := date(p.stigg.Now().AddDate(0, 1, 0)) // what is paid for
	b.post("/billing/cancel").leadsTo("/billing?note=ended")
	b.get("/billing").has(http.StatusOK, "Canceled, ends", ends)
	b.get("/app").has(http.StatusOK, "Your plan: Essentials", "Canceled; it ends on", ends)

	b.post("/billing/close").leadsTo("/?note=closed")
	b.get("/app").leadsTo("/")
	if granted, why := p.stigg.Decide(who, "", campaigns, nil, nil); granted || why != "CustomerIsArchived" {
		t.Errorf("Stigg says %t %q of the customer, want it archived", granted, why)
	}
}

func TestAGiftOfAnAdminIsFeltByAnOpenPage(t *testing.T) {
	p := start(t)
	b := p.browser(t)
	b.post("/signup", "name", "Acme", "email", "ann@acme.test").leadsTo("/app?note=welcome")
	b.get("/analytics").has(http.StatusPaymentRequired)
	b.get("/admin").has(http.StatusUnauthorized)
	b.post("/admin/gift", "account", p.customer(t), "gift", "analytics").has(http.StatusUnauthorized)

	live, admin := b.listen(t), p.browser(t)
	admin.password = adminPassword
	admin.get("/admin").has(http.StatusOK, "Acme", "ann@acme.test")
	admin.post("/admin/gift", "account", p.customer(t), "gift", "house").has(http.StatusNotFound)
	admin.post("/admin/gift", "account", p.customer(t), "gift", "analytics").leadsTo("/admin?note=given")
	live.until("/app/usage", "Analytics")
	b.get("/analytics").has(http.StatusOK)
	b.get("/billing").has(http.StatusOK, "Gifts from us", "Analytics")
}

func TestATemplateThatIsDeletedMakesRoom(t *testing.T) {
	b := start(t).browser(t)
	b.post("/signup", "name", "Acme", "email", "ann@acme.test").leadsTo("/app?note=welcome")
	live := b.listen(t)
	for range 3 {
		b.post("/templates", "name", "news").leadsTo("/app?note=template")
	}
	b.post("/templates", "name", "news").has(http.StatusPaymentRequired, "3 of 3")
	b.post("/templates/0/delete", "name", "another").has(http.StatusNotFound)
	b.post("/templates", "name", "news").has(http.StatusPaymentRequired)
	b.post("/templates/0/delete", "name", "news").leadsTo("/app?note=deleted")
	live.until("/app/usage", "2 of 3") // once Stigg has it
	b.post("/templates", "name", "news").leadsTo("/app?note=template")
}

func TestARefusedFormUsesNothing(t *testing.T) {
	b := start(t).browser(t)
	b.post("/signup", "name", "Acme", "email", "ann").has(http.StatusUnprocessableEntity, "email address", `value="Acme"`)
	b.post("/signup", "name", "Acme", "email", "ann@acme.test").leadsTo("/app?note=welcome")
	b.post("/campaigns", "name", " ").has(http.StatusUnprocessableEntity)
	b.post("/campaigns", "name", strings.Repeat("a", 101)).has(http.StatusUnprocessableEntity)
	b.get("/app").has(http.StatusOK, "0 of 4")
	b.get("/checkout?plan=plan-revvenu-basic").has(http.StatusNotFound)
	b.get("/checkout?plan=%3Cscript%3E").has(http.StatusNotFound).lacks("<script>")
}

func TestNoAccountSeesAnother(t *testing.T) {
	p := start(t)
	ann, bob, nobody := p.browser(t), p.browser(t), p.browser(t)
	ann.post("/signup", "name", "Acme", "email", "ann@acme.test").leadsTo("/app?note=welcome")
	bob.post("/signup", "name", "Bobs", "email", "bob@bobs.test").leadsTo("/app?note=welcome")
	ann.post("/campaigns", "name", "a secret of Ann").leadsTo("/app?note=campaign")
	bob.get("/app").has(http.StatusOK, "Bobs", "0 of 4").lacks("a secret of Ann", "Acme")
	for _, path := range []string{"/app", "/app/usage", "/app/events", "/plans", "/checkout", "/billing"} {
		nobody.get(path).leadsTo("/")
	}
	nobody.post("/campaigns", "name", "spring").has(http.StatusUnauthorized)
	nobody.post("/billing/close").leadsTo("/")

	forged := p.browser(t)
	home, _ := url.Parse(p.url)
	cookie := ann.http.Jar.Cookies(home)[0]
	forged.http.Jar.SetCookies(home, []*http.Cookie{{Name: cookieName, Value: "x" + cookie.Value}})
	forged.get("/app").leadsTo("/")
	nobody.get("/?note=https://evil.test/").has(http.StatusOK).lacks("evil.test")
}

func TestAnotherSiteCanNotSendForms(t *testing.T) {
	b := start(t).browser(t)
	b.post("/signup", "name", "Acme", "email", "ann@acme.test").leadsTo("/app?note=welcome")
	b.site = "cross-site"
	b.post("/billing/close").has(http.StatusForbidden)
	b.get("/app").has(http.StatusOK)
}
