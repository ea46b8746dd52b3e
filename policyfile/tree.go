package policyfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/stiggate/gate/internal/declared"
)

// routes are those of a policy file.
func routes(text []byte) (*declared.Node, error) {
	root, err := tree(text)
	if err != nil {
		return nil, err
	}
	var routes *declared.Node
	err = root.Each(func(key, value *declared.Node) error {
		if key.Text != "routes" {
			return fmt.Errorf("%q is no word of a policy file; it has routes", key.Text)
		}
		routes = value
		return nil
	})
	if err == nil && (routes == nil || routes.Kind == declared.Map && len(routes.Fields) == 0) {
		err = root.Wrong(errors.New("the file has no routes"))
	}
	return routes, err
}

// tree reads YAML, of which JSON is a part, but for tabs between its words.
func tree(text []byte) (*declared.Node, error) {
	top := &declared.Node{Line: 1, Column: 1}
	if json.Valid(text) {
		text = bytes.ReplaceAll(text, []byte("\t"), []byte(" ")) // there is none within its strings
	}
	tokens := lexer.Tokenize(string(text))
	if deep := tooDeep(tokens); deep != nil {
		return nil, (&declared.Node{Line: deep.Position.Line, Column: deep.Position.Column}).Wrong(errors.New("the file is nested too deeply here"))
	}
	file, err := parser.Parse(tokens, 0)
	if err != nil {
		var wrong yaml.Error
		if errors.As(err, &wrong) && wrong.GetToken() != nil {
			at := wrong.GetToken().Position
			return nil, &declared.Error{Line: at.Line, Column: at.Column, Err: errors.New(wrong.GetMessage())}
		}
		return nil, top.Wrong(err)
	}
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case body != nil:
			second, err := node(doc.Body)
			if err != nil {
				return nil, err
			}
			return nil, second.Wrong(errors.New("a second document begins here; it takes one"))
		default:
			body = doc.Body
		}
	}
	if body == nil {
		return nil, top.Wrong(errors.New("the file is empty"))
	}
	return node(body)
}

// mostDeep is how many brackets may be open, and dashes stand beside each other; mostIndented how far a
// line may be indented. The parser takes memory by the square of the depth, and ends the process
// where there is no more.
const (
	mostDeep     = 100
	mostIndented = 500
)

// tooDeep is the first token that is nested too deeply, or nil.
func tooDeep(tokens token.Tokens) *token.Token {
	open, dashes, line := 0, 0, 0
	for _, t := range tokens {
		first := t.Position.Line != line
		line = t.Position.Line
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			open++
		case token.SequenceEndType, token.MappingEndType:
			open--
		}
		if dashes++; t.Type != token.SequenceEntryType && t.Type != token.MappingKeyType {
			dashes = 0
		}
		if open > mostDeep || dashes > mostDeep || first && open == 0 && t.Position.Column > mostIndented {
			return t
		}
	}
	return nil
}

// exponent is a number of JSON's that the parser takes for text.
var exponent = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?[eE][-+]?[0-9]+$`)

func at(n ast.Node) *declared.Node {
	to := &declared.Node{Line: 1, Column: 1}
	if t := n.GetToken(); t != nil && t.Position != nil {
		to.Line, to.Column = t.Position.Line, t.Position.Column
	}
	return to
}

// node is a value of the file. What says one thing in two places, anchors and merges, is refused,
// and so are tags.
func node(from ast.Node) (*declared.Node, error) {
	to := at(from)
	switch n := from.(type) {
	case *ast.NullNode:
	case *ast.BoolNode:
		to.Kind, to.Bool = declared.Bool, n.Value
	case *ast.IntegerNode:
		to.Kind = declared.Number
		switch v := n.Value.(type) {
		case int64:
			to.Number = float64(v)
		case uint64:
			to.Number = float64(v)
		}
	case *ast.FloatNode:
		to.Kind, to.Number = declared.Number, n.Value
	case *ast.StringNode:
		to.Kind, to.Text = declared.Text, n.Value
		if n.Token.Type == token.StringType && exponent.MatchString(n.Value) {
			number, err := strconv.ParseFloat(n.Value, 64)
			to.Kind, to.Number = declared.Number, number
			return to, to.Wrong(err)
		}
	case *ast.LiteralNode:
		to.Kind, to.Text = declared.Text, n.Value.Value
	case *ast.SequenceNode:
		to.Kind = declared.List
		for _, v := range n.Values {
			item, err := node(v)
			if err != nil {
				return nil, err
			}
			to.Items = append(to.Items, item)
		}
	case *ast.MappingNode:
		to.Kind = declared.Map
		return fields(to, n.Values)
	case *ast.MappingValueNode: // a map of one key
		to.Kind = declared.Map
		return fields(to, []*ast.MappingValueNode{n})
	default:
		return nil, to.Wrong(fmt.Errorf("a policy file takes no %s", from.Type()))
	}
	return to, nil
}

func fields(to *declared.Node, values []*ast.MappingValueNode) (*declared.Node, error) {
	for i, v := range values {
		key, err := node(v.Key)
		if err != nil {
			return nil, err
		}
		value, err := node(v.Value)
		if err != nil {
			return nil, err
		}
		if i == 0 && (to.Line > key.Line || to.Line == key.Line && to.Column > key.Column) {
			to.Line, to.Column = key.Line, key.Column // its token is the colon
		}
		to.Fields = append(to.Fields, declared.Field{Key: key, Value: value})
	}
	return to, nil
}
