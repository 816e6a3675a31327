using Microsoft.ML.OnnxRuntimeGenAI;
using OnnxVlm.Generation;

namespace OnnxVlm.Runtime;

/// <summary>
/// A grammar, and the state of one answer in it. It chooses the tokens: a GenAI generator over a graph that predicts nothing receives the scores in
/// place of logits and takes the best token that the grammar allows. Used by one thread at a time.
/// </summary>
internal sealed class Grammar : IGrammar
{
    private readonly GrammarModel _model;
    private readonly Guidance _guidance;
    private readonly Generator _generator;
    private bool _started;
    private bool _disposed;

    /// <summary>Compiles a grammar; see <see cref="GrammarModel.Create"/>.</summary>
    /// <param name="native">The model without predictions.</param>
    /// <param name="model">The model that it belongs to.</param>
    /// <param name="guidance">The grammar.</param>
    /// <param name="maxTokens">The most tokens of the answer.</param>
    public Grammar(Model native, GrammarModel model, Guidance guidance, int maxTokens)
    {
        _model = model;
        _guidance = guidance;
        try
        {
            using GeneratorParams parameters = new(native);
            parameters.SetSearchOption("do_sample", false);
            // One more for the token that the generator starts with, and one for the end.
            parameters.SetSearchOption("max_length", Math.Min(GrammarModel.MaxTokens, maxTokens + 2L));
            parameters.SetGuidance("lark_grammar", guidance.ToLark());
            _generator = new Generator(native, parameters);
        }
        catch (OnnxRuntimeGenAIException e)
        {
            throw CannotGuide(e);
        }
        NativeOwner.Created();
    }

    /// <summary>Chooses the next token: the best that the grammar allows. Where the answer may end, the best end token is among the candidates.</summary>
    /// <param name="scores">float [vocabulary].</param>
    /// <returns>The token, which is now part of the answer.</returns>
    /// <exception cref="ArgumentException">The grammar turns out to be too much at this place.</exception>
    public int Choose(Span<float> scores)
    {
        // The grammar knows one end token; it represents the best of them.
        int end = _model.EndTokenIds[0], bestEnd = end;
        foreach (int id in _model.EndTokenIds)
            bestEnd = scores[id] > scores[bestEnd] ? id : bestEnd;
        float own = scores[end];
        scores[end] = scores[bestEnd];
        try
        {
            if (!_started)
                _generator.AppendTokens([end]);
            _started = true;
            NativeGenerator.ReadLastToken(_generator);
            NativeGenerator.SetLogits(_generator, scores);
            _generator.GenerateNextToken();
            int token = _generator.GetNextTokens()[0];
            return token == end ? bestEnd : token;
        }
        catch (Exception e) when (e is OnnxRuntimeGenAIException or VlmException)
        {
            throw CannotGuide(e);
        }
        finally
        {
            scores[end] = own;
        }
    }

    /// <summary>Returns to the start, for another answer.</summary>
    public void Reset()
    {
        if (!_started)
            return;
        _generator.RewindTo(0);
        _started = false;
    }

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _generator.Dispose();
        NativeOwner.Disposed();
    }

    // The parser describes its state on many lines, and then prints the grammar.
    private ArgumentException CannotGuide(Exception e)
    {
        string message = e.Message.ReplaceLineEndings("\n");
        if (_guidance.IsWritten)
            message = message.Split("<state>")[0].ReplaceLineEndings(" ").Trim();
        else
        {
            // Nobody wrote the source of this grammar, so the message leaves it out.
            message = message.Split('\n')[0];
            message = message[(message.LastIndexOf("JSON schema: ", StringComparison.Ordinal) is var at and >= 0 ? at + "JSON schema: ".Length : 0)..]
                .Split(" (And ")[0].Trim();
        }
        return new ArgumentException(
            $"The {_guidance.Description} cannot be used to guide the answer: {(message.Length > 300 ? message[..300] + "…" : message)}", e);
    }
}
