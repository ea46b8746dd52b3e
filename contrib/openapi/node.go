package openapi

import (
	"math"

	"github.com/pb33f/go-yaml"

	"github.com/stiggate/gate/internal/declared"
)

// node is a value of the document. As in a policy file, what says one thing in two places, anchors
// and merges, is refused, and so are tags.
func node(from *yaml.Node) (*declared.Node, *declared.Error) {
	to := &declared.Node{Line: from.Line, Column: from.Column}
	switch {
	case from.Kind == yaml.AliasNode || from.Anchor != "":
		return nil, wrong(from, "x-gate takes no anchors")
	case from.Style&yaml.TaggedStyle != 0:
		return nil, wrong(from, "x-gate takes no tag")
	}
	switch from.Kind {
	case yaml.MappingNode:
		to.Kind = declared.Map
	case yaml.SequenceNode:
		to.Kind = declared.List
	default:
		return to, scalar(to, from)
	}
	children := make([]*declared.Node, len(from.Content))
	for i, child := range from.Content {
		var err *declared.Error
		if children[i], err = node(child); err != nil {
			return nil, err
		}
	}
	if to.Kind == declared.List {
		to.Items = children
		return to, nil
	}
	for i := 0; i+1 < len(children); i += 2 {
		to.Fields = append(to.Fields, declared.Field{Key: children[i], Value: children[i+1]})
	}
	return to, nil
}

// scalar makes to the value that from is.
func scalar(to *declared.Node, from *yaml.Node) *declared.Error {
	var err error
	switch from.ShortTag() {
	case "!!null":
	case "!!bool":
		to.Kind, err = declared.Bool, from.Decode(&to.Bool)
	case "!!int", "!!float":
		to.Kind, err = declared.Number, from.Decode(&to.Number)
		if math.IsNaN(to.Number) || math.IsInf(to.Number, 0) {
			return wrong(from, "x-gate takes no %s", from.Value)
		}
	case "!!str", "!!timestamp":
		to.Kind, to.Text = declared.Text, from.Value
	default:
		return wrong(from, "x-gate takes no %s", from.Value)
	}
	if err != nil {
		return wrong(from, "%w", err)
	}
	return nil
}
