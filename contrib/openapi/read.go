package openapi

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pb33f/go-yaml"
	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi/datamodel"
	"github.com/pb33f/libopenapi/datamodel/low"
	v3 "github.com/pb33f/libopenapi/datamodel/low/v3"
	"github.com/pb33f/libopenapi/index"
	"github.com/pb33f/libopenapi/orderedmap"

	"github.com/stiggate/gate/internal/declared"
)

// read finds the routes of a document and what x-gate says of each.
func (o *options) read(text []byte) (*declared.Node, error) {
	doc := &document{options: o, gates: make(map[place]bool)}
	if err := doc.check(text); err != nil {
		return nil, err
	}
	root, err := model(text)
	if err != nil {
		return nil, wrong(placeIn(err).node(), "%w", err)
	}
	doc.routes = &declared.Node{Line: 1, Column: 1, Kind: declared.Map}
	doc.keys = make(map[string]*declared.Node)
	standard := doc.gate(root.Extensions, nil)
	if root.Paths.Value != nil {
		for path, item := range root.Paths.Value.PathItems.FromOldest() {
			doc.item(path, item, root.Servers, standard)
		}
	}
	for at, used := range doc.gates {
		if !used {
			doc.wrong(at.node(), "x-gate gates nothing here: it is for an operation, a path item or the document's root")
		}
	}
	if len(doc.routes.Fields) == 0 && len(doc.problems) == 0 {
		doc.wrong(&yaml.Node{Line: 1, Column: 1}, "the document has no operations")
	}
	return doc.routes, doc.err()
}

// model is the document as libopenapi has it. Nothing is read but the text.
func model(text []byte) (*v3.Document, error) {
	c := datamodel.NewDocumentConfiguration()
	c.Logger = slog.New(slog.DiscardHandler)
	c.SkipExternalRefResolution = true
	c.SkipCircularReferenceCheck = true
	c.ExcludeExtensionRefs = true
	c.SkipJSONConversion = true
	doc, err := libopenapi.NewDocumentWithConfiguration(text, c)
	if err != nil {
		return nil, err
	}
	if v := doc.GetVersion(); !strings.HasPrefix(v, "3.0") && !strings.HasPrefix(v, "3.1") {
		return nil, fmt.Errorf("this is version %s of OpenAPI; it takes 3.0 and 3.1", v)
	}
	built, err := doc.BuildV3Model()
	if err != nil {
		return nil, err
	}
	return built.Model.GoLow(), nil
}

// document is what is known of one that is being read.
type document struct {
	*options
	gates    map[place]bool // every x-gate, and whether it is an operation's
	routes   *declared.Node
	keys     map[string]*declared.Node // of the routes
	problems []*declared.Error
}

// place is where something stands.
type place struct{ line, column int }

func at(n *yaml.Node) place { return place{n.Line, n.Column} }

func (p place) node() *yaml.Node { return &yaml.Node{Line: p.line, Column: p.column} }

// said is how libopenapi says the place of an error that has no node.
var said = regexp.MustCompile(`at line (\d+), col (\d+)`)

func placeIn(err error) place {
	p := place{1, 1}
	var indexing *index.IndexingError
	if m := said.FindStringSubmatch(err.Error()); m != nil {
		p.line, _ = strconv.Atoi(m[1])   // digits
		p.column, _ = strconv.Atoi(m[2]) // digits
	} else if errors.As(err, &indexing) && indexing.Node != nil {
		p = at(indexing.Node)
	}
	return p
}

func wrong(n *yaml.Node, format string, args ...any) *declared.Error {
	return &declared.Error{Line: n.Line, Column: n.Column, Err: fmt.Errorf(format, args...)}
}

func (doc *document) wrong(n *yaml.Node, format string, args ...any) {
	doc.problems = append(doc.problems, wrong(n, format, args...))
}

// err is all that is wrong, in the document's order.
func (doc *document) err() error {
	slices.SortFunc(doc.problems, func(a, b *declared.Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	var all []error
	for i, e := range doc.problems {
		if i == 0 || e.Error() != doc.problems[i-1].Error() { // a path item may be referred to twice
			all = append(all, e)
		}
	}
	return errors.Join(all...)
}

// check finds what is no YAML, and every x-gate.
func (doc *document) check(text []byte) error {
	var root, second yaml.Node
	loader := yaml.NewDecoder(strings.NewReader(string(text)))
	err := loader.Decode(&root)
	if err == nil {
		if err = loader.Decode(&second); err == nil {
			return wrong(&second, "a second document begins here; it takes one")
		}
	}
	var syntax *yaml.LoadError
	switch {
	case errors.As(err, &syntax) && syntax.Mark.Line > 0:
		return wrong(&yaml.Node{Line: syntax.Mark.Line, Column: syntax.Mark.Column}, "%s", syntax.Message)
	case !errors.Is(err, io.EOF):
		return wrong(&yaml.Node{Line: 1, Column: 1}, "%w", err)
	}
	doc.walk(&root)
	return doc.err()
}

// walk finds keys that stand somewhere twice, and every x-gate.
func (doc *document) walk(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		seen := make(map[string]bool)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if seen[key.Value] && key.Kind == yaml.ScalarNode {
				doc.wrong(key, "%q stands here twice", key.Value)
			}
			seen[key.Value] = true
			if strings.EqualFold(key.Value, "x-gate") {
				doc.gates[at(key)] = false
			}
		}
	}
	for _, child := range n.Content {
		doc.walk(child)
	}
}

type extensions = *orderedmap.Map[low.KeyReference[string], low.ValueReference[*yaml.Node]]

// gate is what x-gate says there, or else standard.
func (doc *document) gate(all extensions, standard *declared.Node) *declared.Node {
	for key, value := range all.FromOldest() {
		if key.Value != "x-gate" {
			continue
		}
		doc.gates[at(key.KeyNode)] = true
		n, err := node(value.ValueNode)
		if err != nil {
			doc.problems = append(doc.problems, err)
			n = &declared.Node{Kind: declared.Text, Text: "public"} // of a document that is refused
		}
		return n
	}
	return standard
}

type servers = low.NodeReference[[]low.ValueReference[*v3.Server]]

// item adds the routes of a path.
func (doc *document) item(path low.KeyReference[string], ref low.ValueReference[*v3.PathItem], near servers, standard *declared.Node) {
	item := ref.Value
	standard = doc.gate(item.Extensions, standard)
	if item.Servers.Value != nil {
		near = item.Servers
	}
	for _, o := range []struct {
		method string
		low.NodeReference[*v3.Operation]
	}{
		{http.MethodGet, item.Get}, {http.MethodPut, item.Put}, {http.MethodPost, item.Post}, {http.MethodDelete, item.Delete},
		{http.MethodOptions, item.Options}, {http.MethodHead, item.Head}, {http.MethodPatch, item.Patch}, {http.MethodTrace, item.Trace},
	} {
		if o.Value != nil {
			doc.operation(o.method, path.Value, o.NodeReference, near, standard)
		}
	}
}

// operation adds the route of an operation.
func (doc *document) operation(method, path string, ref low.NodeReference[*v3.Operation], near servers, standard *declared.Node) {
	name := fmt.Sprintf("operation %q", method+" "+path)
	if id := ref.Value.OperationId.Value; id != "" {
		name += " (" + id + ")"
	}
	policy := doc.gate(ref.Value.Extensions, standard)
	if policy == nil {
		doc.wrong(ref.KeyNode, "%s: it has no x-gate, and neither its path nor the document has one: what is open says x-gate: public", name)
		return
	}
	if ref.Value.Servers.Value != nil {
		near = ref.Value.Servers
	}
	base, err := doc.base(near)
	if err == nil {
		path, err = doc.spell(base + path)
	}
	if err != nil {
		doc.wrong(ref.KeyNode, "%s: %w", name, err)
		return
	}
	key := &declared.Node{Line: ref.KeyNode.Line, Column: ref.KeyNode.Column, Kind: declared.Text, Text: method + " " + path}
	if other := doc.keys[key.Text]; other != nil {
		doc.wrong(ref.KeyNode, "%s: the route %q is that of line %d, too", name, key.Text, other.Line)
		return
	}
	doc.keys[key.Text] = key
	doc.routes.Fields = append(doc.routes.Fields, declared.Field{Key: key, Value: policy})
}
