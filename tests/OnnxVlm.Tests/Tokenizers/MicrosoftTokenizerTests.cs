using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;
using OnnxVlm.Tokenizers;

namespace OnnxVlm.Tests.Tokenizers;

/// <summary>What Microsoft.ML.Tokenizers promises of every tokenizer.</summary>
internal sealed class MicrosoftTokenizerTests
{
    private static readonly string[] Kinds = ["nfc", "prefix", "added2", "gemmaT", "llama2T", "uniFuyu", "uniMeta", "splitrem"];

    [Test]
    public void EncodeToTokens_EveryText_GivesPlacesInTheTextInOrder([ValueSource(nameof(Kinds))] string kind)
    {
        HuggingFaceTokenizer tokenizer = TokenizerData.Load(kind);
        foreach (string text in TokenizerData.Texts)
        {
            IReadOnlyList<EncodedToken> tokens = tokenizer.EncodeToTokens(text, out string? normalized);
            // NFC puts marks in another order.
            int last = 0;
            foreach (EncodedToken token in tokens)
            {
                (int start, int end) = (token.Offset.Start.Value, token.Offset.End.Value);
                Assert.That(start >= 0 && start <= end && end <= text.Length && (start >= last || kind is "nfc" or "added2"), $"{text}: {token.Offset}");
                last = start;
            }
            Assert.That(normalized, Is.Null);
            Assert.That(tokens.Select(token => token.Id), Is.EqualTo(tokenizer.Encode(text)), text);
            Assert.That(tokenizer.EncodeToIds(text), Is.EqualTo(tokenizer.Encode(text)));
            Assert.That(tokenizer.CountTokens(text), Is.EqualTo(tokens.Count));
        }
    }

    [Test]
    public void EncodeToTokens_ByteLevel_PlacesHoldTheBytesOfTheToken()
    {
        HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.Load(Path.Combine(Nano.Folder, "tokenizer.json"));
        const string Text = "Hello wörld <|im_end|>\n";
        foreach (EncodedToken token in tokenizer.EncodeToTokens(Text, out _))
        {
            string covered = Text[token.Offset];
            string bytes = Encoding.UTF8.GetString(tokenizer.BytesOf(token.Id).Span);
            Assert.That(tokenizer.IsSpecial(token.Id) ? covered == "<|im_end|>" : covered == bytes || bytes.Contains('\uFFFD', StringComparison.Ordinal), $"{covered}, {bytes}");
        }
    }

    [Test]
    public void EncodeToTokens_ComposedCharacter_CoversWhatItWasMadeOf()
    {
        HuggingFaceTokenizer tokenizer = TokenizerData.Load("nfc");

        IReadOnlyList<EncodedToken> tokens = tokenizer.EncodeToTokens("xe\u0301😀", out _);

        Assert.That(tokens.Select(token => Text("xe\u0301😀", token.Offset)).Distinct(), Is.EqualTo(new[] { "x", "e\u0301", "😀" }));
        static string Text(string text, Range range) => text[range];
    }

    [Test]
    public void GetIndexByTokenCount_Limit_CutsTheText()
    {
        HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.Load(Path.Combine(Nano.Folder, "tokenizer.json"));
        const string Text = "one two three four five six";
        int whole = tokenizer.CountTokens(Text);
        for (int count = 1; count <= whole; count++)
        {
            int end = tokenizer.GetIndexByTokenCount(Text, count, out _, out int found), start = tokenizer.GetIndexByTokenCountFromEnd(Text, count, out _, out int foundFromEnd);
            Assert.That((found, foundFromEnd), Is.EqualTo((count, count)));
            Assert.That(tokenizer.EncodeToIds(Text, count, out _, out int consumed), Is.EqualTo(tokenizer.Encode(Text)[..count]));
            Assert.That(consumed, Is.EqualTo(end));
            Assert.That(tokenizer.Decode(tokenizer.Encode(Text)[..count]), Is.EqualTo(Text[..end]));
            Assert.That(tokenizer.Decode(tokenizer.Encode(Text)[^count..]), Is.EqualTo(Text[start..]));
        }
    }

    [Test]
    public void Decode_IntoASpan_NeedsRoom()
    {
        HuggingFaceTokenizer tokenizer = HuggingFaceTokenizer.Load(Path.Combine(Nano.Folder, "tokenizer.json"));
        int[] ids = tokenizer.Encode("Hello<|im_end|>");
        char[] room = new char[5];

        Assert.That(tokenizer.Decode(ids, room, out int consumed, out int written), Is.EqualTo(OperationStatus.Done));
        Assert.That((consumed, written, new string(room)), Is.EqualTo((ids.Length, 5, "Hello")));
        Assert.That(tokenizer.Decode(ids, room.AsSpan(0, 4), out _, out _), Is.EqualTo(OperationStatus.DestinationTooSmall));
    }

    [Test]
    public void Encode_WithoutPreTokenization_IsRefused() =>
        Assert.That(() => TokenizerData.Load("nfc").EncodeToIds("a", considerPreTokenization: false), Throws.TypeOf<NotSupportedException>());

    [Test]
    public void Encode_ManyThreads_GivesTheSame([ValueSource(nameof(Kinds))] string kind)
    {
        HuggingFaceTokenizer tokenizer = TokenizerData.Load(kind);
        string text = string.Concat(TokenizerData.Texts);
        int[] expected = tokenizer.Encode(text);

        Assert.That(ParallelEnumerable.Range(0, 16).WithDegreeOfParallelism(8).Select(_ => tokenizer.Encode(text)).All(ids => ids.SequenceEqual(expected)));
    }

    [Test]
    public void Encode_Cancelled_Throws()
    {
        using CancellationTokenSource source = new();
        source.Cancel();

        Assert.That(() => TokenizerData.Load("nfc").Encode("some text", [], source.Token), Throws.InstanceOf<OperationCanceledException>());
    }
}
