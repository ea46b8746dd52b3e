package emulator

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/stiggate/gate/internal/schema"
)

//go:embed schema_extension.graphql
var extensionText string

// maxTokens bounds a document, and with it what validating it may cost. The
// largest official document has some 2,000 tokens.
const maxTokens = 20_000

// maxFields bounds what one operation may answer: nested fragments could ask
// for more than fits into memory.
const maxFields = 100_000

// maxSelected bounds the fields that a document writes down: comparing those of one
// name takes the square of their number. The largest official document has some 500.
const maxSelected = 2_000

// maxDocuments bounds the validated documents that are kept, maxKept the length of
// each.
const (
	maxDocuments = 256
	maxKept      = 64 << 10
)

// Codes of what is wrong with a request rather than with what it asks for, in
// the spelling of Apollo Server.
const (
	codeParseFailed      Code = "GRAPHQL_PARSE_FAILED"
	codeValidationFailed Code = "GRAPHQL_VALIDATION_FAILED"
	codeUserInput        Code = "BAD_USER_INPUT"
	codeBadRequest       Code = "BAD_REQUEST"
	codeOperation        Code = "OPERATION_RESOLUTION_FAILURE"
)

func loadSchema() (*ast.Schema, error) {
	s, err := gqlparser.LoadSchema(&ast.Source{Name: "stigg.graphql", Input: schema.Stigg},
		&ast.Source{Name: "schema_extension.graphql", Input: extensionText})
	if err != nil {
		return nil, fmt.Errorf("the schema: %w", err)
	}
	// The parser's own, which Stigg's schema does not have.
	delete(s.Directives, "defer")
	return s, nil
}

// renamed gives types of inputs that older official clients know by another name.
func renamed(name string) string {
	switch name {
	case "ImportCustomerBulk", "ImportSubscriptionsBulk":
		return name + "Input"
	}
	return name
}

// graphRequest is the body of a GraphQL request.
type graphRequest struct {
	Query         string         `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
	Extensions    struct {
		PersistedQuery map[string]any `json:"persistedQuery"`
	} `json:"extensions"`
}

// graphError is one element of the errors of an answer.
type graphError struct {
	Message    string         `json:"message"`
	Locations  []gqlLocation  `json:"locations,omitempty"`
	Path       []string       `json:"path,omitempty"`
	Extensions map[string]any `json:"extensions"`
}

type gqlLocation struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// reply is an answer before it is written: data is nil where the request was
// not executed at all.
type reply struct {
	status int
	data   []byte
	errors []graphError
}

// prepared is an operation that can be performed. Of one that can't it is empty.
type prepared struct {
	x      *execution
	root   *ast.Definition
	fields []*collected
	// name is the operation's own.
	name string
	// edge is the name of the edge read that the operation is, empty for others.
	edge string
}

// prepare finds what a request asks for, or the reply that refuses it.
func (e *Emulator) prepare(req graphRequest) (p *prepared, refusal *reply) {
	refused := func(r reply) (*prepared, *reply) { return &prepared{}, &r }
	defer func() {
		if crash := recover(); crash != nil {
			p, refusal = refused(e.crashed(crash))
		}
	}()
	if req.Query == "" && req.Extensions.PersistedQuery != nil {
		// What makes Apollo's clients send the query, as Apollo Server has it.
		return refused(e.failed(http.StatusOK, "PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported"))
	}
	doc, errs := e.document(req.Query)
	if errs != nil {
		return refused(reply{status: http.StatusBadRequest, errors: errs})
	}
	op := doc.Operations.ForName(req.OperationName)
	if op == nil {
		return refused(e.badRequest(codeOperation, "the document has no operation that operationName %q names", req.OperationName))
	}
	root := e.schema.Query
	switch op.Operation {
	case ast.Mutation:
		root = e.schema.Mutation
	case ast.Subscription:
		root = e.schema.Subscription
	}
	vars, err := e.variables(op, req.Variables)
	if err != nil {
		return refused(e.badRequest(codeUserInput, "%s", err.Error()))
	}
	x := &execution{e: e, doc: doc, vars: vars}
	fields := x.collect(root, []ast.SelectionSet{op.SelectionSet})
	for _, f := range fields {
		if err := x.argue(f); err != nil {
			return refused(e.badRequest(codeUserInput, "%s", err.Error()))
		}
	}
	return &prepared{x: x, root: root, fields: fields, name: op.Name}, nil
}

// perform does what was prepared, alone in the world, and counts it.
func (e *Emulator) perform(p *prepared) (out reply) {
	defer func() {
		if crash := recover(); crash != nil {
			out = e.crashed(crash)
		}
	}()
	e.mu.Lock()
	defer e.unlock()
	e.reading = p.root == e.schema.Query
	p.x.now, e.base = e.present(), p.x.base
	if p.edge != "" {
		e.requests[p.edge]++
	}
	return p.x.run(p.root, p.fields, p.edge == "")
}

func (e *Emulator) crashed(crash any) reply {
	return e.failed(http.StatusInternalServerError, CodeUnexpected, "the emulator failed: %v", crash)
}

func (e *Emulator) badRequest(code Code, format string, args ...any) reply {
	return e.failed(http.StatusBadRequest, code, format, args...)
}

func (e *Emulator) failed(status int, code Code, format string, args ...any) reply {
	err := graphError{Message: fmt.Sprintf(format, args...), Extensions: e.extensions(code)}
	return reply{status: status, errors: []graphError{err}}
}

// extensions gives what Stigg adds to an error. isValidationError is true of what is
// wrong with the input itself, and false of what it names and isn't there (GraphQL
// overview, "Error Handling").
func (e *Emulator) extensions(code Code) map[string]any {
	serial := e.traces.Add(1)
	return map[string]any{
		"code":              string(code),
		"traceId":           uuidOf("trace", fmt.Sprint(serial)),
		"isValidationError": code.ofInput(),
	}
}

// document parses and validates a document, or finds it among those it has seen. It
// takes long for a long one, so the world is not locked meanwhile.
func (e *Emulator) document(query string) (*ast.QueryDocument, []graphError) {
	e.seen.Lock()
	doc := e.documents[query]
	e.seen.Unlock()
	if doc != nil {
		return doc, nil
	}
	if strings.TrimSpace(query) == "" {
		return nil, e.badRequest(codeBadRequest, "the request has no query").errors
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, maxTokens)
	if err != nil {
		return nil, e.located(codeParseFailed, gqlerror.List{gqlerror.WrapIfUnwrapped(err)})
	}
	for _, op := range doc.Operations {
		for _, v := range op.VariableDefinitions {
			v.Type.NamedType = renamed(v.Type.NamedType)
		}
	}
	if n := selected(doc); n > maxSelected {
		return nil, e.badRequest(codeBadRequest, "the document selects %d fields, more than %d", n, maxSelected).errors
	}
	if errs := validator.Validate(e.schema, doc); len(errs) > 0 {
		return nil, e.located(codeValidationFailed, errs)
	}
	if len(query) > maxKept {
		return doc, nil
	}
	e.seen.Lock()
	defer e.seen.Unlock()
	if len(e.documents) >= maxDocuments {
		clear(e.documents)
	}
	e.documents[query] = doc
	return doc, nil
}

// selected counts the fields that a document writes down.
func selected(doc *ast.QueryDocument) int {
	n := 0
	var count func(ast.SelectionSet)
	count = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				n++
				count(s.SelectionSet)
			case *ast.InlineFragment:
				count(s.SelectionSet)
			}
		}
	}
	for _, op := range doc.Operations {
		count(op.SelectionSet)
	}
	for _, f := range doc.Fragments {
		count(f.SelectionSet)
	}
	return n
}

func (e *Emulator) located(code Code, errs gqlerror.List) []graphError {
	out := make([]graphError, 0, len(errs))
	for _, err := range errs {
		g := graphError{Message: err.Message, Extensions: e.extensions(code)}
		for _, at := range err.Locations {
			g.Locations = append(g.Locations, gqlLocation{at.Line, at.Column})
		}
		out = append(out, g)
	}
	return out
}

// execution is one operation under way.
type execution struct {
	e      *Emulator
	doc    *ast.QueryDocument
	vars   map[string]any
	now    time.Time
	fields int
	// event is the value of the field of a subscription.
	event obj
	// base is the URL that the caller knows the emulator by.
	base string
}

// run answers the root fields one after the other. Only root fields can fail;
// one that may not be null takes the whole data with it, and of mutations those after it,
// which are not begun then (GraphQL, "Handling Execution Errors"; graphql-js does so).
func (x *execution) run(root *ast.Definition, fields []*collected, counted bool) reply {
	out := reply{status: http.StatusOK}
	w := newWriter()
	w.open('{')
	whole := true
	for _, f := range fields {
		if counted && !strings.HasPrefix(f.Name, "__") {
			x.e.requests[f.Name]++
		}
		w.key(f.Alias)
		err := x.answer(w, root, f)
		if err == nil {
			continue
		}
		out.errors = append(out.errors, graphError{
			Message: err.Message, Path: []string{f.Alias}, Extensions: x.e.extensions(err.Code),
			Locations: []gqlLocation{{f.Position.Line, f.Position.Column}},
		})
		w.raw("null")
		if whole = whole && !f.Definition.Type.NonNull; !whole && root == x.e.schema.Mutation {
			break
		}
	}
	w.close('}')
	out.data = w.buf.Bytes()
	if !whole {
		out.data = []byte("null")
	}
	return out
}

// answer writes the value of a root field, or nothing and an error.
func (x *execution) answer(w *writer, root *ast.Definition, f *collected) (failure *Error) {
	mark := w.buf.Len()
	defer func() {
		if p := recover(); p != nil {
			failure = refuse(CodeUnexpected, "the emulator failed: %v", p)
		}
		if failure != nil {
			w.buf.Truncate(mark)
			w.comma = false
		}
	}()
	value, err := x.resolve(root, f)
	if err == nil {
		err = x.complete(w, f.Definition.Type, f, value)
	}
	if err == nil {
		return nil
	}
	if known := (*Error)(nil); errors.As(err, &known) {
		return known
	}
	return refuse(CodeUnexpected, "%v", err)
}

func (x *execution) resolve(root *ast.Definition, f *collected) (any, error) {
	switch f.Name {
	case "__typename":
		return root.Name, nil
	case "__schema":
		return introspection.WrapSchema(x.e.schema), nil
	case "__type":
		return introspection.WrapTypeFromDef(x.e.schema, x.e.schema.Types[f.args.str("name")]), nil
	}
	if root == x.e.schema.Subscription {
		return x.event, nil
	}
	resolve, modelled := x.e.fields[f.Name]
	if !modelled {
		return nil, refuse(CodeUnsupported, "the emulator does not model the field %s.%s", root.Name, f.Name)
	}
	mutates := root == x.e.schema.Mutation && !needsNoTransaction(f.Name)
	return x.call(resolve, f.args, mutates)
}

// call runs a resolver, a mutation as a transaction: one that is refused, or that was
// given something that it doesn't look at, leaves nothing behind.
func (x *execution) call(resolve resolver, args input, mutates bool) (value any, err error) {
	w, done := x.e.world, false
	if mutates {
		w.begin()
		defer func() {
			if done {
				w.commit()
			} else {
				w.rollback()
			}
		}()
	}
	value, err = resolve(view{w: w, now: x.now, base: x.base}, args)
	if err != nil {
		return nil, err
	}
	if left := args.unread(""); left != "" {
		return nil, refuse(CodeUnsupported, "the emulator does not model the input %s", left)
	}
	done = true
	return value, nil
}
