using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Runtime;

/// <summary>Where the state of rows lies: each element is written with what says whose it is, and must be found again wherever its row has been moved.</summary>
internal sealed class KeyValueRowsTests
{
    // Heads of one size and of another, a half-precision buffer, and what a recurrent layer remembers.
    private static readonly StateBuffer[] Buffers =
    [
        new("past_key_values.0.key", "present.0.key", TensorElementType.Float, 2, 8),
        new("past_key_values.0.value", "present.0.value", TensorElementType.Float, 2, 8),
        new("past_key_values.1.key", "present.1.key", TensorElementType.Float16, 3, 16),
        new("past_key_values.2.conv_state", "present.2.conv_state", TensorElementType.Float, 1, 1) { Shape = [3, 5] },
    ];

    private readonly List<DecoderRow> _rows = [];
    private OrtDecoder _decoder = null!;

    [OneTimeSetUp]
    public void Load() => _decoder = (OrtDecoder)new DecoderLoader(Nano.Folder, Nano.Model.Manifest, Runner.Ort, threads: 1, cacheBytes: 0).Load(Device.Cpu);

    [OneTimeTearDown]
    public void Dispose() => _decoder.Dispose();

    [TearDown]
    public void LeaveRows()
    {
        foreach (DecoderRow row in _rows)
        {
            row.Rows = null;
            row.Dispose();
        }
        _rows.Clear();
    }

    [Test]
    public void BringTogether_RandomRows_TheyAreNeighboursAndAllHoldWhatTheyHeld()
    {
        Random random = new(1);
        for (int round = 0; round < 50; round++)
        {
            using KeyValueRows lane = KeyValueRows.Reserve(Buffers, 12, 300);
            DecoderRow[] rows = [.. Enumerable.Range(0, 2 + random.Next(9)).Select(i => Start(lane, random.Next(1, 300), round + i))];
            foreach (DecoderRow row in rows.Where(_ => random.Next(4) == 0))
                lane.Remove(row);
            rows = [.. rows.Where(row => row.Rows is not null)];
            for (int turn = 0; turn < 5 && rows.Length > 0; turn++)
            {
                List<DecoderRow> together = [.. rows.Where(_ => random.Next(2) == 0).DefaultIfEmpty(rows[0])];
                lane.BringTogether(together);

                Assert.That(together.Select(row => row.Slot), Is.EqualTo(Enumerable.Range(together[0].Slot, together.Count)));
                Assert.That(rows.Select(row => row.Slot), Is.Unique);
                foreach (DecoderRow row in rows)
                    ExpectWritten(lane, row, row.Length);
            }
        }
    }

    [Test]
    public void BringTogether_NeighboursAlready_MovesNothing()
    {
        using KeyValueRows lane = KeyValueRows.Reserve(Buffers, 8, 100);
        DecoderRow[] rows = [.. Enumerable.Range(0, 5).Select(i => Start(lane, 50, i))];
        int[] slots = [.. rows.Select(row => row.Slot)];

        lane.BringTogether([rows[3], rows[1], rows[2]]);

        Assert.That(rows.Select(row => row.Slot), Is.EqualTo(slots));
    }

    [Test]
    public void BringTogether_AShortRowAmongLongOnes_MovesTheShortOne()
    {
        using KeyValueRows lane = KeyValueRows.Reserve(Buffers, 8, 300);
        DecoderRow shortOne = Start(lane, 3, 1), resting = Start(lane, 200, 2), first = Start(lane, 290, 3), second = Start(lane, 280, 4);
        (int First, int Second, int Resting) before = (first.Slot, second.Slot, resting.Slot);

        lane.BringTogether([shortOne, first, second]);

        Assert.That((first.Slot, second.Slot, resting.Slot), Is.EqualTo(before));
        Assert.That(shortOne.Slot, Is.EqualTo(second.Slot + 1));
        ExpectWritten(lane, shortOne, 3);
    }

    [Test]
    public void Add_RowOfAShorterLane_MovesWithAllItHolds()
    {
        using KeyValueRows near = KeyValueRows.Reserve(Buffers, 4, 64), far = KeyValueRows.Reserve(Buffers, 4, 1000);
        DecoderRow other = Start(far, 10, 5), row = Start(near, 60, 7);

        far.Add(row);
        far.Grow(row.Slot, 900);

        Assert.That(row.Rows, Is.SameAs(far));
        ExpectWritten(far, row, 60);
        ExpectWritten(far, other, 10);
        Assert.That(near.HasRoom && Start(near, 5, 9).Slot == 0, "its old slot is free");
    }

    [Test]
    public void Copy_BeginningOfAnotherLanesRow_IsThatBeginning()
    {
        using KeyValueRows near = KeyValueRows.Reserve(Buffers, 4, 64), far = KeyValueRows.Reserve(Buffers, 4, 1000);
        DecoderRow source = Start(near, 60, 7), target = Start(far, 0, 8);

        far.Grow(target.Slot, 40);
        far.Copy(source, target, 40);
        far.CopyState(near, source.Slot, target.Slot);

        target.Length = 40;
        _marks[target] = 7;
        ExpectWritten(far, target, 40);
        ExpectWritten(near, source, 60);
    }

    [Test]
    public void Remove_RowThatHeldSomething_NextRowOfItsSlotFindsNothingOfIt()
    {
        using KeyValueRows lane = KeyValueRows.Reserve(Buffers, 3, 5000);
        DecoderRow row = Start(lane, 5000, 7);
        int slot = row.Slot;
        lane.Remove(row);

        Assert.That((row.Rows, row.Slot), Is.EqualTo(((KeyValueRows?)null, -1)));
        Assert.That(Start(lane, 0, 8).Slot, Is.EqualTo(slot));
        if (!OperatingSystem.IsMacOS())
        {
            foreach (StateBuffer buffer in Buffers.Where(buffer => !buffer.IsConstant))
            {
                lane.Grow(slot, 5000);
                Assert.That(Bytes(lane, buffer, slot, head: 0, token: 0, count: 5000).ToArray(), Is.All.Zero, "its pages went back to the system");
            }
        }
    }

    [Test]
    public void SaveState_MoreThanThereIsRoomFor_NullUntilOneIsFree()
    {
        using KeyValueRows lane = KeyValueRows.Reserve(Buffers, 2, 64);
        DecoderRow row = Start(lane, 1, 3);
        List<int> places = [];
        while (lane.SaveState(row.Slot) is int place)
            places.Add(place);

        Assert.That(places, Is.Unique.And.Count.EqualTo(2 * SavedStates.Most));
        lane.ClearState(row.Slot);
        lane.FreeState(places[3]);
        Assert.That(lane.SaveState(row.Slot), Is.EqualTo(places[3]));
        lane.CopyState(lane, places[5], row.Slot);
        ExpectWritten(lane, row, 1);
    }

    [Test]
    public void HasRoom_AllSlotsButOne_IsFalse()
    {
        using KeyValueRows lane = KeyValueRows.Reserve(Buffers, 3, 64);
        Start(lane, 1, 1);
        Assert.That(lane.HasRoom);
        Start(lane, 1, 2);
        Assert.That(lane.HasRoom, Is.False, "one stays free, so that rows can change places");
    }

    [Test]
    public void TryReserve_FarMoreThanThereIsMemory_CostsOnlyWhatIsWritten()
    {
        const long Size = 64L << 30, Written = 64 << 20;
        long before = Resident();
        using HostRowMemory memory = HostRowMemory.TryReserve(Size)!;
        long reserved = Resident();
        memory.Commit(Size / 2, Written);
        memory.Clear(Size / 2, Written);
        long written = Resident();
        memory.Release(Size / 2, Written);
        long released = Resident();

        Assert.That(reserved - before, Is.LessThan(Written / 4));
        Assert.That(written - reserved, Is.GreaterThan(Written * 3 / 4));
        if (!OperatingSystem.IsMacOS())
            Assert.That(written - released, Is.GreaterThan(Written * 3 / 4));
    }

    private readonly Dictionary<DecoderRow, int> _marks = [];

    private static long Resident()
    {
        using System.Diagnostics.Process process = System.Diagnostics.Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private DecoderRow Start(KeyValueRows lane, int length, int mark)
    {
        DecoderRow row = (DecoderRow)_decoder.CreateSequence(new SequenceOptions(100, 0));
        _rows.Add(row);
        lane.Add(row);
        row.Length = length;
        _marks[row] = mark;
        lane.Grow(row.Slot, length);
        foreach (StateBuffer buffer in Buffers)
        {
            for (int head = 0; head < buffer.Heads; head++)
            {
                for (int token = 0; token < (buffer.IsConstant ? 1 : length); token++)
                    Bytes(lane, buffer, row.Slot, head, token, 1).Fill(Mark(buffer, head, token, mark));
            }
        }
        return row;
    }

    private void ExpectWritten(KeyValueRows lane, DecoderRow row, int length)
    {
        foreach (StateBuffer buffer in Buffers)
        {
            for (int head = 0; head < buffer.Heads; head++)
            {
                for (int token = 0; token < (buffer.IsConstant ? 1 : length); token++)
                    Assert.That(Bytes(lane, buffer, row.Slot, head, token, 1).ContainsAnyExcept(Mark(buffer, head, token, _marks[row])), Is.False, $"{buffer.Input}, head {head}, token {token}");
            }
        }
    }

    private static byte Mark(StateBuffer buffer, int head, int token, int mark) => (byte)(1 + ((buffer.Input.Length + (7 * head) + (31 * token) + (101 * mark)) % 255));

    // Through the tensor that the graph would get.
    private static Span<byte> Bytes(KeyValueRows lane, StateBuffer buffer, int slot, int head, int token, int count)
    {
        OrtValue value = lane.View(slot, 1)[Array.IndexOf(Buffers, buffer)];
        Span<byte> all = value.GetTensorMutableRawData();
        return buffer.IsConstant ? all : all.Slice(((head * lane.Capacity) + token) * buffer.HeadBytes, count * buffer.HeadBytes);
    }
}
