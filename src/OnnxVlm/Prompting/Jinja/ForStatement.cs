namespace OnnxVlm.Prompting.Jinja;

/// <summary><c>{% for target in iterable if test recursive %}…{% else %}…{% endfor %}</c>. Each iteration has variables of its own.</summary>
internal sealed record ForStatement(
    Target Target, Expression Iterable, Expression? Test, bool IsRecursive, Body Body, Body Else, BlockNames BodyNames, BlockNames TestNames,
    BlockNames ElseNames) : Statement
{
    protected override Flow Run(Frame frame)
    {
        object iterable = Iterable.Evaluate(frame);
        if (IsRecursive)
            frame.Output.Append(Recurse(iterable, 0, frame));
        else
            Loop(iterable, 0, frame, recurse: null);
        return Flow.Normal;
    }

    private TemplateText Recurse(object iterable, int depth, Frame frame)
    {
        frame.Run.Budget.Enter();
        Loop(iterable, depth, frame.Capturing(out TemplateTextBuilder output), (inner, depth0) => Recurse(inner, depth0, frame));
        frame.Run.Budget.Leave();
        return output.ToText();
    }

    private void Loop(object iterable, int depth, Frame frame, Func<object, int, object>? recurse)
    {
        LoopValue loop = new(
            Test is null ? iterable : new IteratorValue(Filtered(PythonType.Elements(iterable, frame.Run.Budget), frame)), depth, recurse, frame.Run.Budget);
        // As in Jinja, the else block also runs if no iteration reached its end, because break or continue left each of them.
        bool finishedAny = false;
        while (loop.TryNext(out object element))
        {
            Frame turn = frame.Inner(BodyNames);
            turn.Scope.Set("loop", loop);
            Target.Assign(element, turn, turn.Scope);
            Flow flow = Body.Execute(turn);
            finishedAny |= flow == Flow.Normal;
            if (flow == Flow.Break)
                break;
        }
        if (!finishedAny)
            Else.Execute(frame.Inner(ElseNames));
    }

    private IEnumerable<object> Filtered(IEnumerable<object> elements, Frame frame)
    {
        foreach (object element in elements)
        {
            Frame test = frame.Inner(TestNames);
            Target.Assign(element, test, test.Scope);
            if (PythonType.IsTrue(Test!.Evaluate(test)))
                yield return element;
        }
    }
}
