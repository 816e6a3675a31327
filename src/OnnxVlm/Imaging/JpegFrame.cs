using System.Buffers.Binary;

namespace OnnxVlm.Imaging;

/// <summary>The frame of a JPEG file as far as its segments have been read: which tables exist, and which components. Refuses what libjpeg's decoder cannot take.</summary>
internal struct JpegFrame
{
    /// <summary>libjpeg decodes every scan over the whole picture, so a small file of many scans could keep it busy for hours. Encoders write about ten.</summary>
    private const int MaxScans = 100;

    private const int MaxSidePx = 65500;
    private const int MaxBlocksInUnit = 10;

    private Components _components;
    private int _componentCount;
    private int _scans;
    private bool _baseline;
    private bool _progressive;
    private bool _singleScan;
    private byte _dcTables;            // bit i: table i is defined
    private byte _acTables;
    private byte _quantizationTables;

    /// <summary>Width in pixels; 0 before the start of the frame.</summary>
    public int WidthPx { get; private set; }

    /// <summary>Height in pixels.</summary>
    public int HeightPx { get; private set; }

    /// <summary>Whether a scan has been read.</summary>
    public readonly bool HasScan => _scans > 0;

    /// <summary>SOF (B.2.2): sample precision, height, width, then id, sampling factors and quantization table of each component.</summary>
    public void ReadStartOfFrame(ReadOnlySpan<byte> segment, bool baseline, bool progressive)
    {
        if (_componentCount != 0)
            throw JpegFile.Damaged("it has two frames");
        if (segment.Length < 6 || segment.Length != 6 + 3 * segment[5])
            throw JpegFile.Damaged("its frame header has the wrong length");
        if (segment[0] != 8)
            throw new InvalidImageException($"unsupported JPEG image: {segment[0]} bits a sample; save it with 8 bits");
        if (segment[5] is not (1 or 3 or 4))
            throw new InvalidImageException($"unsupported JPEG image: {segment[5]} colour components; save it as grey, RGB or CMYK");

        HeightPx = BinaryPrimitives.ReadUInt16BigEndian(segment[1..]);
        WidthPx = BinaryPrimitives.ReadUInt16BigEndian(segment[3..]);
        if (HeightPx == 0 || WidthPx == 0 || Math.Max(HeightPx, WidthPx) > MaxSidePx)
            throw JpegFile.Damaged($"its header gives a size of {WidthPx}×{HeightPx} pixels, each side can have 1 to {MaxSidePx}");
        _baseline = baseline;
        _progressive = progressive;
        _componentCount = segment[5];
        for (int i = 0; i < _componentCount; i++)
            _components[i] = new Component(segment[6 + 3 * i], segment[7 + 3 * i] >> 4, segment[7 + 3 * i] & 15, segment[8 + 3 * i]);
        CheckComponents();
    }

    /// <summary>DQT (B.2.4.1): precision and number of the table, then 64 values of one or two bytes.</summary>
    public void ReadQuantizationTables(ReadOnlySpan<byte> segment)
    {
        while (!segment.IsEmpty)
        {
            int length = 1 + (segment[0] >> 4 != 0 ? 128 : 64);
            int table = segment[0] & 15;
            if (table > 3 || segment.Length < length)
                throw JpegFile.Damaged("a quantization table is cut off or has a number above 3");
            _quantizationTables |= (byte)(1 << table);
            segment = segment[length..];
        }
    }

    /// <summary>DHT (B.2.4.2): class and number of the table, number of codes of 1 to 16 bits, then their symbols.</summary>
    public void ReadHuffmanTables(ReadOnlySpan<byte> segment)
    {
        while (!segment.IsEmpty)
        {
            bool ac = segment[0] >= 0x10;
            int table = segment[0] - (ac ? 0x10 : 0);
            if (table > 3 || segment.Length < 17)
                throw JpegFile.Damaged("a Huffman table is cut off or has a number above 3");

            int symbols = 0;
            int code = 0;
            for (int bits = 1; bits <= 16; bits++, code <<= 1)
            {
                symbols += segment[bits];
                code += segment[bits];
                if (segment[bits] > 0 && code >= 1 << bits)
                    throw JpegFile.Damaged("a Huffman table has more codes than fit");
            }

            if (symbols > 256 || segment.Length < 17 + symbols)
                throw JpegFile.Damaged("a Huffman table is cut off");
            if (!ac && segment.Slice(17, symbols).ContainsAnyExceptInRange((byte)0, (byte)15))
                throw JpegFile.Damaged("a Huffman table has a symbol above 15");
            if (ac)
                _acTables |= (byte)(1 << table);
            else
                _dcTables |= (byte)(1 << table);
            segment = segment[(17 + symbols)..];
        }
    }

    /// <summary>SOS (B.2.3): the components of the scan with their tables, then the spectral selection and the bit positions.</summary>
    public void ReadStartOfScan(ReadOnlySpan<byte> segment)
    {
        if (_componentCount == 0)
            throw JpegFile.Damaged("a scan comes before the frame header");
        if (segment.Length < 4 || segment[0] is < 1 or > 4 || segment.Length != 4 + 2 * segment[0])
            throw JpegFile.Damaged("a scan header has the wrong length");
        if (_singleScan)
            throw JpegFile.Damaged("it goes on after its last scan");
        if (++_scans > MaxScans)
            throw new InvalidImageException($"unsupported JPEG image: more than {MaxScans} scans; save it again");

        int count = segment[0];
        _singleScan = !_progressive && count == _componentCount;
        ReadOnlySpan<byte> spectral = segment[(1 + 2 * count)..];
        if (_progressive)
            CheckProgression(spectral, count);
        else if (!_baseline && !spectral.SequenceEqual<byte>([0, 63, 0])) // libjpeg takes 63 for the side of a block
            throw JpegFile.Damaged("a sequential scan has parameters that cannot exist");
        int blocks = 0;
        int seen = 0;
        for (int i = 0; i < count; i++)
        {
            int index = IndexOf(segment[1 + 2 * i]);
            if (index < 0 || (seen & (1 << index)) != 0)
                throw JpegFile.Damaged("a scan names an unknown component, or one twice");
            seen |= 1 << index;
            blocks += _components[index].Horizontal * _components[index].Vertical;
            CheckTables(_components[index], segment[2 + 2 * i], spectral);
        }

        if (count > 1 && blocks > MaxBlocksInUnit)
            throw JpegFile.Damaged("its sampling factors are too large");
    }

    private readonly void CheckComponents()
    {
        (int horizontal, int vertical) = (1, 1);
        for (int i = 0; i < _componentCount; i++)
        {
            Component c = _components[i];
            if (c.Horizontal is < 1 or > 4 || c.Vertical is < 1 or > 4 || c.Quantization > 3 || IndexOf(c.Id) != i)
                throw JpegFile.Damaged("its frame header has a component that cannot exist");
            (horizontal, vertical) = (Math.Max(horizontal, c.Horizontal), Math.Max(vertical, c.Vertical));
        }

        for (int i = 0; i < _componentCount; i++)
        {
            if (horizontal % _components[i].Horizontal != 0 || vertical % _components[i].Vertical != 0)
                throw new InvalidImageException("unsupported JPEG image: fractional chroma sampling; save it again");
        }
    }

    /// <summary>The rules of G.1.1.1 that libjpeg insists on.</summary>
    private static void CheckProgression(ReadOnlySpan<byte> spectral, int componentCount)
    {
        (int first, int last, int high, int low) = (spectral[0], spectral[1], spectral[2] >> 4, spectral[2] & 15);
        bool band = first == 0 ? last == 0 : last >= first && last <= 63 && componentCount == 1;
        if (!band || low > 13 || (high != 0 && low != high - 1))
            throw JpegFile.Damaged("a progressive scan has parameters that cannot exist");
    }

    private readonly void CheckTables(Component component, byte selectors, ReadOnlySpan<byte> spectral)
    {
        (int dc, int ac) = (selectors >> 4, selectors & 15);
        bool needsDc = !_progressive || (spectral[0] == 0 && spectral[2] >> 4 == 0);
        bool needsAc = !_progressive || spectral[0] != 0;
        bool complete = (_quantizationTables >> component.Quantization & 1) != 0
            && (!needsDc || (dc <= 3 && (_dcTables >> dc & 1) != 0))
            && (!needsAc || (ac <= 3 && (_acTables >> ac & 1) != 0));
        if (!complete)
            throw JpegFile.Damaged("a scan uses a table that is not there");
    }

    private readonly int IndexOf(byte id)
    {
        for (int i = 0; i < _componentCount; i++)
        {
            if (_components[i].Id == id)
                return i;
        }

        return -1;
    }

    private readonly record struct Component(byte Id, int Horizontal, int Vertical, int Quantization);

    [System.Runtime.CompilerServices.InlineArray(4)]
    private struct Components
    {
        private Component _first;
    }
}
