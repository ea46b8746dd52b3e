package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A tab is driven by the keyboard: what is meant is found by its role and name in the
// accessibility tree, focused, and pressed.

// open loads a page and returns its status.
func (p *tab) open(url string) int64 {
	p.t.Helper()
	return p.leads("opening "+url, chromedp.Navigate(url))
}

// follow presses what leads to another page, and returns the status of that page.
func (p *tab) follow(role, name string) int64 {
	p.t.Helper()
	p.focus(role, name)
	return p.leads("the "+role+" "+name, chromedp.KeyEvent(kb.Enter))
}

func (p *tab) leads(what string, action chromedp.Action[chromedp.Void]) int64 {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	var answer *network.Response
	answer, err := chromedp.RunResponse(ctx, action)
	if err != nil {
		p.t.Fatalf("%s: %v", what, err)
	}
	return answer.Status
}

// press presses what changes this page.
func (p *tab) press(role, name string) {
	p.t.Helper()
	p.focus(role, name)
	must(p, "pressing "+name, chromedp.KeyEvent(kb.Enter))
}

// tick checks a box.
func (p *tab) tick(name string) {
	p.t.Helper()
	p.focus("checkbox", name)
	must(p, "ticking "+name, chromedp.KeyEvent(" "))
}

// fill types a text in place of what a field has.
func (p *tab) fill(role, name, text string) {
	p.t.Helper()
	p.focus(role, name)
	evaluate[bool](p, `(document.activeElement.select(), true)`)
	must(p, "typing into "+name, func(ctx context.Context, t *chromedp.Target) (cdp.Empty, error) {
		return cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
	})
}

// choose types the beginning of an option, as one does in a list.
func (p *tab) choose(name, option string) {
	p.t.Helper()
	p.focus("combobox", name)
	must(p, "choosing "+option, chromedp.KeyEvent(option))
	if chosen := evaluate[string](p, `document.activeElement.selectedOptions[0].text`); !strings.HasPrefix(chosen, option) {
		p.t.Fatalf("%s: %q is chosen, want %q", name, chosen, option)
	}
}

// focus gives the focus to the one control of a role and name.
func (p *tab) focus(role, name string) {
	p.t.Helper()
	var problem string
	p.until(fmt.Sprintf("there is one %s %q that takes the focus (%s)", role, name, problem), func() bool {
		_, err := run(p, func(ctx context.Context, t *chromedp.Target) (cdp.Empty, error) {
			nodes, err := named(ctx, t, role, name)
			if err != nil {
				return cdp.Empty{}, err
			}
			if len(nodes) != 1 {
				return cdp.Empty{}, fmt.Errorf("there are %d of the name", len(nodes))
			}
			return cdp.Call(ctx, t, dom.Focus, dom.FocusParams{BackendNodeID: nodes[0].BackendDOMNodeID})
		})
		return err == nil
	})
}

func named(ctx context.Context, t *chromedp.Target, role, name string) ([]*accessibility.Node, error) {
	document, err := cdp.Call(ctx, t, dom.GetDocument, dom.GetDocumentParams{})
	if err != nil {
		return nil, err
	}
	found, err := cdp.Call(ctx, t, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{
		BackendNodeID: document.Root.BackendNodeID, Role: role, AccessibleName: name})
	return found.Nodes, err
}

// see waits until the page shows the texts.
func (p *tab) see(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.until(fmt.Sprintf("the page shows %q", text), func() bool {
			shown, err := run(p, chromedp.Evaluate[string](`document.body.innerText.replace(/\s+/g, " ")`))
			return err == nil && strings.Contains(shown, text)
		})
	}
}

// unseen fails if the page shows the text.
func (p *tab) unseen(text string) {
	p.t.Helper()
	if shown := evaluate[string](p, `document.body.innerText`); strings.Contains(shown, text) {
		p.t.Errorf("the page shows %q", text)
	}
}

// said is a value of the accessibility tree as text.
func said(v *accessibility.Value) string {
	if v == nil {
		return ""
	}
	var text string
	_ = json.Unmarshal(v.Value, &text) // what is no text says nothing
	return text
}
