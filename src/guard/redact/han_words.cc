#include "guard/redact/han_words.h"

#include <algorithm>
#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

namespace autoglm::guard::redact {
namespace {

constexpr std::u32string_view kSurnames =
    U"王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏"
    U"魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚"
    U"邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳"
    U"甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳欧管柴蒙鲍华喻祁蒲房滕屈"
    U"饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵"
    U"苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝官封谈匡鞠惠荆乐冀郁胥南"
    U"班储原栗燕楚鄢劳谌奚皮粟冼蔺楼盘满闻位厉伊仝区郜海阚花权强帅屠豆朴盖练廉禹井祖漆巴丰支卿"
    U"国狄平计索宣晋相初门云容敬来扈晁芮都普阙浦戈伏鹿薄邸雍辜羊阿乌母裘亓修邰赫杭况那宿鲜印逯"
    U"隆茹诺战慕危玉银亢嵇公哈湛宾戎勾茅利於呼居揭干但尉冶斯元束檀衣信展阴昝智幸奉植衡富尧闭由"
    U"張劉陳楊黃趙吳孫馬鄭謝許韓馮鄧蕭蔣蔡葉蘇呂盧鍾譚陸範賈韋鄒龍賀顧龔邵錢嚴湯齊喬龐顏倪莊聶"
    U"魯關蘭紀畢單駱藍華農繆簡車項連麥婁竇黨費衛應閔鄔邊師";

constexpr std::u32string_view kDoubleSurnames[] = {
    U"欧阳", U"司马", U"诸葛", U"上官", U"司徒", U"东方", U"独孤", U"南宫", U"万俟", U"闻人",
    U"夏侯", U"尉迟", U"公孙", U"令狐", U"宇文", U"长孙", U"慕容", U"皇甫", U"端木", U"西门",
    U"钟离", U"轩辕", U"呼延", U"澹台", U"濮阳", U"淳于", U"单于", U"申屠", U"公羊", U"歐陽",
    U"司馬", U"諸葛", U"拓跋", U"百里", U"东郭", U"太史", U"赫连", U"完颜", U"纳兰", U"第五"};

constexpr std::u32string_view kTitles[] = {U"先生", U"女士", U"小姐", U"老师", U"教授",
                                           U"医生", U"经理", U"律师", U"同志", U"师傅",
                                           U"护士", U"主任", U"博士"};

// What names follow at once, and what they follow behind a colon, a space or 是.
constexpr std::u32string_view kNameVerbs[] = {U"我叫",   U"名叫",   U"名字是",   U"名字叫",
                                              U"姓名是", U"姓名为", U"联系人是", U"收件人是"};
constexpr std::u32string_view kNameWords[] = {
    U"姓名",   U"联系人",     U"收件人", U"收货人", U"寄件人", U"患者",       U"申请人",
    U"投保人", U"被保险人",   U"持卡人", U"户主",   U"当事人", U"法定代表人", U"法人代表",
    U"负责人", U"经办人",     U"签收人", U"借款人", U"承租人", U"出租人",     U"考生",
    U"员工",   U"客户",       U"名字",   U"本人",   U"开户名", U"户名",       U"受益人",
    U"监护人", U"紧急联系人", U"乘客",   U"乘机人", U"入住人"};

constexpr std::u32string_view kNoNames[] = {
    U"高兴", U"马上", U"王国", U"张开", U"方便", U"方法", U"方面", U"方案", U"方式", U"方向",
    U"白天", U"白色", U"金融", U"金额", U"金属", U"石油", U"石头", U"黄色", U"黄金", U"江南",
    U"江湖", U"周围", U"周末", U"周一", U"周二", U"周三", U"周四", U"周五", U"周六", U"周日",
    U"周年", U"安全", U"安排", U"安装", U"文化", U"文件", U"文章", U"文学", U"文字", U"万一",
    U"平时", U"平台", U"平均", U"温度", U"温暖", U"高级", U"高度", U"高中", U"高等", U"时间",
    U"时候", U"明天", U"明白", U"明年", U"明确", U"应该", U"应用", U"项目", U"成功", U"成为",
    U"成绩", U"包括", U"包含", U"任何", U"任务", U"任意", U"程序", U"程度", U"管理", U"解决",
    U"解释", U"连接", U"连续", U"计划", U"计算", U"相关", U"相信", U"相同", U"信息", U"信用",
    U"服务", U"原因", U"原来", U"海外", U"国家", U"国际", U"全部", U"全国", U"强调", U"支持",
    U"支付", U"来自", U"和谐", U"公司", U"公民", U"公开", U"公共", U"银行", U"于是", U"何时",
    U"何人", U"单位", U"单独", U"严格", U"严重", U"路上", U"商品", U"商业", U"居民", U"利用",
    U"由于", U"但是", U"都是", U"那个", U"那些", U"向您", U"向他", U"和他", U"和我", U"司机",
    U"农民", U"师生", U"学生", U"车主", U"客户", U"信件", U"编号", U"号码", U"电话", U"地址",
    U"经历", U"名单", U"广大", U"尊敬", U"亲爱", U"各位", U"有些", U"许多", U"曾经", U"古代",
    U"花园", U"班主", U"毕业", U"公卿", U"关于", U"关系", U"年轻", U"尚未", U"强大", U"华丽",
    U"本人", U"路人"};

// Provinces and what stands beside them, then prefectures.
constexpr std::u32string_view kProvinces[] = {
    U"北京",   U"天津", U"上海", U"重庆", U"河北", U"山西", U"辽宁", U"吉林", U"黑龙江",
    U"江苏",   U"浙江", U"安徽", U"福建", U"江西", U"山东", U"河南", U"湖北", U"湖南",
    U"广东",   U"海南", U"四川", U"贵州", U"云南", U"陕西", U"甘肃", U"青海", U"台湾",
    U"内蒙古", U"广西", U"西藏", U"宁夏", U"新疆", U"香港", U"澳门"};
constexpr std::u32string_view kCities[] = {
    U"石家庄", U"唐山",   U"秦皇岛", U"邯郸",     U"邢台",     U"保定",     U"张家口",   U"承德",
    U"沧州",   U"廊坊",   U"衡水",   U"太原",     U"大同",     U"阳泉",     U"长治",     U"晋城",
    U"朔州",   U"晋中",   U"运城",   U"忻州",     U"临汾",     U"吕梁",     U"呼和浩特", U"包头",
    U"乌海",   U"赤峰",   U"通辽",   U"鄂尔多斯", U"呼伦贝尔", U"沈阳",     U"大连",     U"鞍山",
    U"抚顺",   U"本溪",   U"丹东",   U"锦州",     U"营口",     U"阜新",     U"辽阳",     U"盘锦",
    U"铁岭",   U"朝阳",   U"葫芦岛", U"长春",     U"四平",     U"辽源",     U"通化",     U"白山",
    U"松原",   U"白城",   U"哈尔滨", U"齐齐哈尔", U"鸡西",     U"鹤岗",     U"双鸭山",   U"大庆",
    U"伊春",   U"佳木斯", U"七台河", U"牡丹江",   U"黑河",     U"绥化",     U"南京",     U"无锡",
    U"徐州",   U"常州",   U"苏州",   U"南通",     U"连云港",   U"淮安",     U"盐城",     U"扬州",
    U"镇江",   U"泰州",   U"宿迁",   U"杭州",     U"宁波",     U"温州",     U"嘉兴",     U"湖州",
    U"绍兴",   U"金华",   U"衢州",   U"舟山",     U"台州",     U"丽水",     U"合肥",     U"芜湖",
    U"蚌埠",   U"淮南",   U"马鞍山", U"淮北",     U"铜陵",     U"安庆",     U"黄山",     U"滁州",
    U"阜阳",   U"宿州",   U"六安",   U"亳州",     U"池州",     U"宣城",     U"福州",     U"厦门",
    U"莆田",   U"三明",   U"泉州",   U"漳州",     U"南平",     U"龙岩",     U"宁德",     U"南昌",
    U"景德镇", U"萍乡",   U"九江",   U"新余",     U"鹰潭",     U"赣州",     U"吉安",     U"宜春",
    U"抚州",   U"上饶",   U"济南",   U"青岛",     U"淄博",     U"枣庄",     U"东营",     U"烟台",
    U"潍坊",   U"济宁",   U"泰安",   U"威海",     U"日照",     U"临沂",     U"德州",     U"聊城",
    U"滨州",   U"菏泽",   U"郑州",   U"开封",     U"洛阳",     U"平顶山",   U"安阳",     U"鹤壁",
    U"新乡",   U"焦作",   U"濮阳",   U"许昌",     U"漯河",     U"三门峡",   U"南阳",     U"商丘",
    U"信阳",   U"周口",   U"驻马店", U"武汉",     U"黄石",     U"十堰",     U"宜昌",     U"襄阳",
    U"鄂州",   U"荆门",   U"孝感",   U"荆州",     U"黄冈",     U"咸宁",     U"随州",     U"恩施",
    U"长沙",   U"株洲",   U"湘潭",   U"衡阳",     U"邵阳",     U"岳阳",     U"常德",     U"张家界",
    U"益阳",   U"郴州",   U"永州",   U"怀化",     U"娄底",     U"湘西",     U"广州",     U"韶关",
    U"深圳",   U"珠海",   U"汕头",   U"佛山",     U"江门",     U"湛江",     U"茂名",     U"肇庆",
    U"惠州",   U"梅州",   U"汕尾",   U"河源",     U"阳江",     U"清远",     U"东莞",     U"中山",
    U"潮州",   U"揭阳",   U"云浮",   U"南宁",     U"柳州",     U"桂林",     U"梧州",     U"北海",
    U"防城港", U"钦州",   U"贵港",   U"玉林",     U"百色",     U"贺州",     U"河池",     U"来宾",
    U"崇左",   U"海口",   U"三亚",   U"儋州",     U"成都",     U"自贡",     U"攀枝花",   U"泸州",
    U"德阳",   U"绵阳",   U"广元",   U"遂宁",     U"内江",     U"乐山",     U"南充",     U"眉山",
    U"宜宾",   U"广安",   U"达州",   U"雅安",     U"巴中",     U"资阳",     U"贵阳",     U"六盘水",
    U"遵义",   U"安顺",   U"毕节",   U"铜仁",     U"昆明",     U"曲靖",     U"玉溪",     U"保山",
    U"昭通",   U"丽江",   U"普洱",   U"临沧",     U"大理",     U"拉萨",     U"日喀则",   U"西安",
    U"铜川",   U"宝鸡",   U"咸阳",   U"渭南",     U"延安",     U"汉中",     U"榆林",     U"安康",
    U"商洛",   U"兰州",   U"嘉峪关", U"金昌",     U"白银",     U"天水",     U"武威",     U"张掖",
    U"平凉",   U"酒泉",   U"庆阳",   U"定西",     U"陇南",     U"西宁",     U"海东",     U"银川",
    U"石嘴山", U"吴忠",   U"固原",   U"中卫",     U"乌鲁木齐", U"克拉玛依", U"吐鲁番",   U"哈密",
    U"台北",   U"高雄",   U"台中",   U"新北"};

constexpr std::u32string_view kPlates =
    U"京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使";
constexpr std::u32string_view kNumerals =
    U"〇零○一二两三四五六七八九壹贰叁肆伍陆柒捌玖幺洞拐勾貳參陸弌";
constexpr std::u32string_view kFunctionCharacters =
    U"的是在了和与及有我你您他她它们这那个也就都还不没很到从把被对向给让请说要会能可已将为以来去上"
    U"下"
    U"中里年月日号住电手身出生男女性籍职单地址于则吗呢吧啊等或但而且先后今昨岁时其所如若即并、";

constexpr char32_t kFirst = 0x3000;
constexpr char32_t kLast = 0x9FFF;

struct Table {
  std::array<uint8_t, kLast - kFirst + 1> begins{};
  std::unordered_map<char32_t, std::vector<std::u32string_view>> regions;
  std::unordered_map<char32_t, std::vector<std::u32string_view>> no_names;

  void mark(std::u32string_view codes, uint8_t what) {
    for (const char32_t code : codes) {
      if (code >= kFirst && code <= kLast) begins[code - kFirst] |= what;
    }
  }

  Table() {
    mark(kSurnames, kBeginsSurname);
    mark(kPlates, kBeginsPlate);
    mark(kNumerals, kIsNumeral);
    for (const std::u32string_view name : kDoubleSurnames) mark(name.substr(0, 1), kBeginsSurname);
    for (const auto& list : {std::u32string_view(U"名人者主叫是为户字员工生客")}) {
      mark(list, kEndsNameWord);
    }
    mark(U"自特街大胡社小花新公广地省市州盟区县旗镇乡村路巷弄道苑里", kBeginsSuffix);
    const auto add = [this](std::u32string_view name) {
      mark(name.substr(0, 1), kBeginsRegion);
      regions[name.front()].push_back(name);
    };
    for (const std::u32string_view name : kProvinces) add(name);
    for (const std::u32string_view name : kCities) add(name);
    for (const std::u32string_view word : kNoNames) no_names[word.front()].push_back(word);
  }
};

const Table& table() {
  static const Table kTable;
  return kTable;
}

bool stands(const Window& window, size_t at, std::u32string_view word) {
  for (size_t i = 0; i < word.size(); ++i) {
    if (window[at + i] != word[i]) return false;
  }
  return true;
}

bool ends_before(const Window& window, size_t skip, std::u32string_view word) {
  for (size_t i = 0; i < word.size(); ++i) {
    if (window.before(skip + 1 + i) != word[word.size() - 1 - i]) return false;
  }
  return true;
}

}  // namespace

uint8_t han_begins(char32_t code) {
  return code >= kFirst && code <= kLast ? table().begins[code - kFirst] : uint8_t{0};
}

size_t surname(const Window& window, size_t at) {
  if ((han_begins(window[at]) & kBeginsSurname) == 0) return 0;
  for (const std::u32string_view name : kDoubleSurnames) {
    if (name.front() == window[at] && stands(window, at, name)) return 2;
  }
  return kSurnames.find(window[at]) != std::u32string_view::npos ? 1 : 0;
}

size_t region(const Window& window, size_t at) {
  const auto found = table().regions.find(window[at]);
  if (found == table().regions.end()) return 0;
  size_t best = 0;
  for (const std::u32string_view name : found->second) {
    if (name.size() > best && stands(window, at, name)) best = name.size();
  }
  return best;
}

size_t title(const Window& window, size_t at) {
  for (const std::u32string_view word : kTitles) {
    if (window[at] == word[0] && window[at + 1] == word[1]) return 2;
  }
  return 0;
}

bool name_word_before(const Window& window, size_t skip) {
  const auto ends = [&](std::u32string_view word) { return ends_before(window, skip, word); };
  if (std::any_of(std::begin(kNameVerbs), std::end(kNameVerbs), ends)) return true;
  return skip > 0 && std::any_of(std::begin(kNameWords), std::end(kNameWords), ends);
}

bool is_no_name(const Window& window, size_t at) {
  const auto found = table().no_names.find(window[at]);
  if (found == table().no_names.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [&](std::u32string_view word) { return stands(window, at, word); });
}

bool is_function_character(char32_t code) {
  return kFunctionCharacters.find(code) != std::u32string_view::npos;
}

}  // namespace autoglm::guard::redact
